/** The calls of this process that wait for an answer, and how replies find them. */
import { Clock, Deferred, Duration, Effect } from "effect"
import * as Envelope from "./oslo/Envelope.ts"

interface Waiting {
  readonly answer: Deferred.Deferred<Envelope.ReplyMessage>
  /** When its server was last known to work on it, by the clock. */
  lastSign: number
}

export interface Replies {
  /** Takes a message as it came; what nobody waits for any more is passed over. */
  readonly take: (body: Buffer) => void
  /**
   * The reply to a call that `send` sends, as it came; null when its server gave no sign of life for as long as
   * `monitor`, where there is one.
   */
  readonly await: <E>(
    callId: string,
    monitor: Duration.Duration | null,
    send: Effect.Effect<unknown, E>
  ) => Effect.Effect<Envelope.ReplyMessage | null, E>
  readonly waiting: () => number
}

export const makeReplies = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const waiting = new Map<string, Waiting>()

  const take: Replies["take"] = (body) => {
    const reply = Envelope.readReply(body)
    if (reply instanceof Envelope.Unreadable) return
    const call = waiting.get(reply.callId)
    if (call === undefined) return
    if (reply.ending) Deferred.doneUnsafe(call.answer, Effect.succeed(reply))
    else call.lastSign = clock.currentTimeMillisUnsafe()
  }

  /** Ends when there was no sign of life for so long since it was sent. */
  const silence = Effect.fnUntraced(function* (call: Waiting, monitor: Duration.Duration | null) {
    if (monitor === null) return yield* Effect.never
    call.lastSign = clock.currentTimeMillisUnsafe()
    for (;;) {
      const left = call.lastSign + Duration.toMillis(monitor) - clock.currentTimeMillisUnsafe()
      if (left <= 0) return null
      yield* Effect.sleep(left)
    }
  })

  const awaitReply: Replies["await"] = (callId, monitor, send) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const call: Waiting = { answer: Deferred.makeUnsafe(), lastSign: 0 }
        waiting.set(callId, call)
        return call
      }),
      (call) => Effect.raceFirst(Deferred.await(call.answer), Effect.andThen(send, silence(call, monitor))),
      () => Effect.sync(() => waiting.delete(callId))
    )

  return { take, await: awaitReply, waiting: () => waiting.size } satisfies Replies as Replies
})
