/** The calls of this process that wait for an answer, and how replies find them. */
import { Duration, Effect, Exit } from "effect"
import type { Deadlines } from "./Deadlines.ts"
import * as Envelope from "./oslo/Envelope.ts"

/**
 * What came of a call.
 * - `silent`: its server gave no sign of life for as long as the caller bears it.
 * - `late`: there was no reply in time.
 */
export type Answer = Envelope.ReplyMessage | "silent" | "late"

export interface Patience {
  readonly timeout: Duration.Duration
  /** How long the caller bears silence once its call is sent; null for as long as it waits. */
  readonly monitor: Duration.Duration | null
}

/** Begins to send a call, and tells `done` when that is over. What is answered gives up. */
export type Send<E> = (done: (outcome: Exit.Exit<void, E>) => void) => () => void

export interface Replies {
  /** Takes a message as it came; what nobody waits for any more is passed over. */
  readonly take: (body: Buffer) => void
  /** What comes of a call that `send` sends. It may be answered before that is over. */
  readonly await: <E>(callId: string, patience: Patience, send: Send<E>) => Effect.Effect<Answer, E>
  readonly waiting: () => number
}

interface Waiting {
  readonly end: (reply: Envelope.ReplyMessage) => void
  readonly signOfLife: () => void
}

export const makeReplies = (deadlines: Deadlines): Replies => {
  const waiting = new Map<string, Waiting>()

  const take: Replies["take"] = (body) => {
    const reply = Envelope.readReply(body)
    if (reply instanceof Envelope.Unreadable) return
    const call = waiting.get(reply.callId)
    if (reply.ending) call?.end(reply)
    else call?.signOfLife()
  }

  const awaitReply: Replies["await"] = (callId, { monitor, timeout }, send) =>
    Effect.callback((resume) => {
      const leaving: Array<() => void> = []
      const leave = () => {
        waiting.delete(callId)
        for (const act of leaving) act()
      }
      const end: typeof resume = (outcome) => {
        leave()
        resume(outcome)
      }

      let forgetSilence = () => {}
      leaving.push(() => forgetSilence())
      const listen = () => {
        forgetSilence()
        if (monitor === null) return
        forgetSilence = deadlines.after(Duration.toMillis(monitor), () => end(Effect.succeed("silent")))
      }
      let isSent = false
      waiting.set(callId, {
        end: (reply) => end(Effect.succeed(reply)),
        signOfLife: () => {
          if (isSent) listen()
        }
      })
      leaving.push(deadlines.after(Duration.toMillis(timeout), () => end(Effect.succeed("late"))))
      const giveUp = send((outcome) => {
        if (Exit.isFailure(outcome)) return end(Effect.failCause(outcome.cause))
        isSent = true
        listen()
      })
      leaving.push(giveUp)
      return Effect.sync(leave)
    })

  return { take, await: awaitReply, waiting: () => waiting.size }
}
