import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
  '--autoplay-policy=no-user-gesture-required',
];

/** Starts the system's Chromium, which has H.264 and AAC. */
export async function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['MILLRACE_CHROMIUM'] ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
  });
}
