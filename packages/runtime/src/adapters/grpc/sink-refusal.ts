import type { sink } from '@millrace/contracts';
import { ServiceError } from '../../service-error.ts';
import { toErrorCode, toErrorId } from './grpc-errors.ts';

/** Makes what a sink refuses a message, which keeps its place behind the acknowledgements. */
export function toRefusal({ code, id, message, retryable, details }: ServiceError): sink.Refusal {
  const { rulingToken } = details;
  return {
    id,
    message: message.toWellFormed(),
    rulingToken: Number.isSafeInteger(rulingToken) ? Number(rulingToken) : 0,
    code,
    isRetryable: retryable,
  };
}

/** Makes the message the error that the sink has thrown; nothing in it is trusted. */
export function fromRefusal({ code, id, message, rulingToken, isRetryable }: sink.Refusal): ServiceError {
  return new ServiceError(toErrorCode(code), toErrorId(id), message, {
    retryable: isRetryable,
    details: rulingToken === 0 ? {} : { rulingToken },
  });
}
