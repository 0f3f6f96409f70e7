/** The halves of a protection, for parties that only send to a topic or only serve it. */
import { Effect } from "effect"
import { type Protection, ProtectionRefused } from "./Protection.ts"

export type Asking = Pick<Protection, "sealRequest" | "openReply">
export type Answering = Pick<Protection, "openRequest" | "sealReply">

/** Of a topic that this party sends to and does not serve. */
export const onlyAsking = (asking: Asking): Protection => ({
  ...asking,
  openRequest: ({ method }) => new ProtectionRefused({ reason: `${method} is not for this party to take` }),
  sealReply: ({ method }) => Effect.die(new Error(`this party sends ${method} and does not answer it`))
})

/** Of a topic that this party serves and does not send to. */
export const onlyAnswering = (answering: Answering): Protection => ({
  ...answering,
  sealRequest: ({ method }) => Effect.die(new Error(`this party takes ${method} and does not send it`)),
  openReply: ({ method }) => new ProtectionRefused({ reason: `this party does not send ${method}` })
})
