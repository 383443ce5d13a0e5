import { createChannel, createStreamKey, listChannelNames } from './api.js';

const byId = (id) => document.getElementById(id);

/** The part of the page that needs the admin token, which is kept in memory only. */
export function setUpAdmin() {
  let token;
  const say = (text) => (byId('notice').textContent = text);

  const showChannels = async (selected) => {
    const names = await listChannelNames(token);
    byId('key-channel').replaceChildren(
      ...names.map((name) => new Option(name, name, name === selected, name === selected)),
    );
  };

  /** Runs what a form asks for, once at a time, and says why it failed. */
  const onSubmit = (id, action) =>
    byId(id).addEventListener('submit', (event) => {
      event.preventDefault();
      const button = event.target.querySelector('button[type=submit]');
      button.disabled = true;
      say('');
      action()
        .catch((error) => say(error instanceof Error ? error.message : 'That did not work.'))
        .finally(() => (button.disabled = false));
    });

  onSubmit('unlock', async () => {
    token = byId('token').value.trim();
    await showChannels();
    byId('token').value = '';
    byId('unlock').hidden = true;
    byId('admin').hidden = false;
    byId('channel-name').focus();
  });

  onSubmit('make-channel', async () => {
    const name = byId('channel-name').value.trim();
    await createChannel(token, name);
    byId('channel-name').value = '';
    await showChannels(name);
    say(`Channel ${name} is there. Make a stream key for it.`);
  });

  onSubmit('make-key', async () => {
    const channel = byId('key-channel').value;
    const { streamKey } = await createStreamKey(token, channel);
    byId('issued-channel').textContent = channel;
    byId('stream-key').value = streamKey;
    byId('issued').hidden = false;
    byId('stream-key').select();
  });

  byId('forget').addEventListener('click', () => {
    byId('stream-key').value = '';
    byId('issued').hidden = true;
    byId('make-key').querySelector('button').focus();
  });

  for (const button of document.querySelectorAll('[data-copies]')) {
    button.addEventListener('click', () => {
      const field = byId(button.dataset.copies);
      field.select();
      const selected = 'Selected: press Ctrl+C or ⌘C to copy it.';
      // Without HTTPS browsers have no clipboard; the text is selected, so a key press copies it.
      if (navigator.clipboard === undefined) say(selected);
      else
        navigator.clipboard.writeText(field.value).then(
          () => say('Copied.'),
          () => say(selected),
        );
    });
  }
}
