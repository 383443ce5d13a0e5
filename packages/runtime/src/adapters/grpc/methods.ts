import { control, relay, segmentIndex, sink, twin } from '@millrace/contracts';
import type { Method } from './method.ts';

/** `MediaRelay.Subscribe`. */
export const SUBSCRIBE: Method<relay.SubscribeRequest, relay.SubscribeResponse> = {
  path: relay.MediaRelayService.subscribe.path,
  request: relay.SubscribeRequest,
  response: relay.SubscribeResponse,
};

/** `MediaRelay.OpenPeriod`. */
export const OPEN_PERIOD: Method<relay.OpenPeriodRequest, relay.OpenPeriodResponse> = {
  path: relay.MediaRelayService.openPeriod.path,
  request: relay.OpenPeriodRequest,
  response: relay.OpenPeriodResponse,
};

/** `RenditionSink.Publish`. */
export const PUBLISH: Method<sink.PublishRequest, sink.PublishResponse> = {
  path: sink.RenditionSinkService.publish.path,
  request: sink.PublishRequest,
  response: sink.PublishResponse,
};

/** `SegmentIndex.Watch`. */
export const WATCH: Method<segmentIndex.WatchRequest, segmentIndex.WatchResponse> = {
  path: segmentIndex.SegmentIndexService.watch.path,
  request: segmentIndex.WatchRequest,
  response: segmentIndex.WatchResponse,
};

/** `SessionCopy.Follow`. */
export const FOLLOW: Method<twin.FollowRequest, twin.FollowResponse> = {
  path: twin.SessionCopyService.follow.path,
  request: twin.FollowRequest,
  response: twin.FollowResponse,
};

/** `Control.AuthorizePublish`. */
export const AUTHORIZE_PUBLISH: Method<control.AuthorizePublishRequest, control.AuthorizePublishResponse> = {
  path: control.ControlService.authorizePublish.path,
  request: control.AuthorizePublishRequest,
  response: control.AuthorizePublishResponse,
};
