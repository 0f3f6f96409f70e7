/**
 * What a server has in hand: the messages that came and were not settled yet. Casts are begun in the order in which
 * they came, calls beside them, and each message is handled once, however often it comes.
 */
import { randomUUID } from "node:crypto"
import type { ConfirmChannel, ConsumeMessage } from "amqplib"
import { Clock, Effect, Exit, FiberSet, Queue } from "effect"
import type { Rpc } from "effect/rpc"
import type { Handlers } from "../../services/Contract.ts"
import { Settlements } from "./amqp/Settlements.ts"
import type { Contract } from "./ErasedContract.ts"
import * as Envelope from "./oslo/Envelope.ts"
import { makeCalls } from "./RabbitCalls.ts"
import { ack, buryUnproven, type Delivery, deliver, giveBack, settle } from "./RabbitDelivery.ts"
import { makeDispatch } from "./RabbitDispatch.ts"
import type { RabbitWire } from "./RabbitWire.ts"
import { type Fate, Repeats } from "./Repeats.ts"

/** Marks a message that a server sent to itself. */
export const pingHeader = "x-coffer-ping"

/** A message to be worked on. */
interface Job {
  readonly delivery: Delivery
  readonly id: string
  readonly run: Effect.Effect<Fate>
}

export const makeInbox = Effect.fnUntraced(function* <R extends Rpc.Any>(
  wire: RabbitWire,
  topic: string,
  contract: Contract,
  handlers: Handlers<R>,
  concurrency: number
) {
  const clock = yield* Clock.Clock
  /** Of the channel that lives, which holds no more of them than the prefetch. */
  const jobs = yield* Queue.unbounded<Job>()
  const repeats = new Repeats()
  let current: Settlements | null = null
  let lastTaken = clock.currentTimeMillisUnsafe()
  let count = 0
  let inHand = 0
  let stopping = false
  const isStopping = () => stopping

  const dispatch = makeDispatch(wire, topic, contract, handlers, isStopping)
  const takeCall = makeCalls(wire, topic, dispatch, isStopping)
  const runCall = yield* FiberSet.makeRuntime<never, void, never>()

  /** However it ends, the broker is told, and so are those who wait for the same message. */
  const work = ({ delivery, id, run }: Job) =>
    Effect.suspend(() => {
      inHand++
      return Effect.onExit(run, (exit) => {
        inHand--
        const fate = Exit.isSuccess(exit) ? exit.value : "unfinished"
        settle(delivery, fate)
        repeats.over(id, fate)
        return Effect.void
      })
    })

  const next = Effect.flatMap(Queue.take(jobs), (job) => {
    if (stopping) return Effect.sync(() => giveBack(job.delivery))
    return Effect.catchCause(work(job), (cause) => Effect.logError(`a message on ${topic} met a bug`, cause))
  })
  // Without a turn of the event loop for each message: what came together is settled together.
  for (let n = 0; n < concurrency; n++) yield* Effect.forkScoped(Effect.forever(next, { disableYield: true }))

  const take = (settlements: Settlements) => (message: ConsumeMessage) => {
    const delivery = deliver(settlements, message)
    lastTaken = clock.currentTimeMillisUnsafe()
    if (stopping) return giveBack(delivery)
    if (message.properties.headers?.[pingHeader] !== undefined) return ack(delivery)
    count++
    const request = Envelope.readRequest(message.content)
    if (request instanceof Envelope.Unreadable) {
      Queue.offerUnsafe(jobs, { delivery, id: randomUUID(), run: buryUnproven(wire, topic, delivery, request.reason) })
      return
    }
    const id = request.id ?? randomUUID()
    const seen = repeats.see(id)
    if (seen._tag === "Done") return ack(delivery)
    if (seen._tag === "InHand") return seen.whenOver((fate) => settle(delivery, fate))
    const { call } = request
    if (call === null) {
      Queue.offerUnsafe(jobs, { delivery, id, run: dispatch.takeCast(delivery, request, id) })
      return
    }
    const isStale = () => current !== settlements
    runCall(Effect.asVoid(work({ delivery, id, run: takeCall(delivery, request, call, id, isStale) })))
  }

  /** What waits came on a channel that is gone, or is given back: it comes again. */
  const giveBackWaiting = Effect.gen(function* () {
    for (const { delivery, id } of yield* Queue.clear(jobs)) {
      giveBack(delivery)
      repeats.over(id, "unfinished")
    }
  })

  /** Takes the messages of a channel, for as long as that lives. */
  const onChannel = (channel: ConfirmChannel) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        current = new Settlements(channel)
        return current
      }),
      (settlements) =>
        Effect.suspend(() => {
          settlements.tell()
          current = null
          repeats.forgetWaiting()
          return giveBackWaiting
        })
    ).pipe(Effect.map(take))

  return {
    onChannel,
    giveBackWaiting,
    lastTaken: () => lastTaken,
    count: () => count,
    isIdle: () => inHand === 0,
    isStopping,
    stop: () => {
      stopping = true
    }
  }
})
