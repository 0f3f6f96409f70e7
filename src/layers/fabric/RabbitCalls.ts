/**
 * How a call is answered: it is acknowledged when it is begun, for its caller waits no longer than its timeout, and
 * what came of it is sent to the caller's queue, with signs of life before it where the caller wants them.
 */
import { randomUUID } from "node:crypto"
import { Cause, Duration, Effect, Exit, Semaphore } from "effect"
import type { PublishFailed } from "./amqp/Publisher.ts"
import type { Method } from "./ErasedContract.ts"
import * as Envelope from "./oslo/Envelope.ts"
import * as Failure from "./oslo/Failure.ts"
import { replyExchange } from "./oslo/Topology.ts"
import { ack, buryUnproven, type Delivery, settle } from "./RabbitDelivery.ts"
import type { Accepted, Dispatch, Refused } from "./RabbitDispatch.ts"
import { patience, type RabbitWire } from "./RabbitWire.ts"
import type { Fate } from "./Repeats.ts"

/** How many calls are answered at once; more wait in the broker's queue. */
const maxCalls = 256

/** How often an answer is tried again while its caller's queue is away, and how many answers wait for theirs. */
const replyPause = Duration.millis(250)
const maxWaitingReplies = 1024

/** Where answers go: oslo's names, and ours. Anywhere else an answer would be a message that somebody made us send. */
const replyQueue = /^reply_[\w.:-]{1,200}$/

/** However short a caller's patience with silence is, in seconds. */
const shortestMonitor = 0.2

/** What came of a call: a result or a failure, as oslo carries them. */
interface Outcome {
  readonly result: unknown
  readonly failure: string | null
}

/** The outcome is null where the caller is told nothing. */
interface Begun {
  readonly fate: Fate
  readonly outcome: Outcome | null
}

type Call = NonNullable<Envelope.RequestMessage["call"]>

/** How long the caller waits by its own word, which the broker keeps with the message. */
const patienceOf = ({ message }: Delivery): Duration.Duration => {
  const longest = Duration.fromInputUnsafe(patience.reply)
  const expiration = Number(message.properties.expiration)
  return expiration > 0 ? Duration.min(longest, Duration.millis(expiration)) : longest
}

const refusal = (
  { method, version }: Envelope.RequestMessage,
  { _tag }: Extract<Refused, { _tag: "NoSuchMethod" | "OtherVersion" }>
) => (_tag === "NoSuchMethod" ? Failure.noSuchMethod(method) : Failure.unsupportedVersion(version, method))

export const makeCalls = (wire: RabbitWire, topic: string, dispatch: Dispatch, isStopping: () => boolean) => {
  const slots = Semaphore.makeUnsafe(maxCalls)
  let waitingReplies = 0

  const reply = (
    call: Call,
    { failure, result }: Outcome,
    ending: boolean,
    within: Duration.Input = patience.reply
  ) => {
    const id = randomUUID().replaceAll("-", "")
    const message = { callId: call.id, id, result, failure, ending }
    const written = Envelope.writeReply(message)
    const isTooLong = written.length > Envelope.maxBody
    const body = isTooLong ? Envelope.writeReply({ ...message, result: null, failure: Failure.tooLong }) : written
    return wire.publisher.publish(
      {
        exchange: wire.restricted ? replyExchange(wire.names) : "",
        routingKey: call.replyTo,
        body,
        id,
        headers: {},
        mandatory: true
      },
      Duration.fromInputUnsafe(within)
    )
  }

  /** The caller's queue comes back with its connection, or it is gone. */
  const isWorthAnotherTry = ({ reason }: PublishFailed) => reason === "unroutable" && !isStopping()

  const answer = (delivery: Delivery, name: string, call: Call, outcome: Outcome) => {
    const within = patienceOf(delivery)
    const once = reply(call, outcome, true, within)
    const reachedNobody = () => Effect.logWarning(`the answer of ${name} on ${topic} reached nobody`)
    const insist = Effect.suspend(() => {
      waitingReplies++
      return Effect.retry(Effect.delay(once, replyPause), { while: isWorthAnotherTry })
    }).pipe(
      Effect.timeout(within),
      Effect.catch(reachedNobody),
      Effect.ensuring(
        Effect.sync(() => {
          waitingReplies--
        })
      )
    )
    return Effect.catch(once, (failure) =>
      isWorthAnotherTry(failure) && waitingReplies < maxWaitingReplies ? insist : reachedNobody()
    )
  }

  const outcomeOf = Effect.fnUntraced(function* (method: Method, name: string, exit: Exit.Exit<unknown, unknown>) {
    if (Exit.isSuccess(exit)) return { result: yield* method.encodeSuccess(exit.value), failure: null }
    if (Cause.hasFails(exit.cause)) {
      const error = Cause.squash(exit.cause)
      return { result: null, failure: Failure.contractError(error, yield* method.encodeError(error)) }
    }
    yield* Effect.logError(`${name} on ${topic} crashed`, exit.cause)
    return { result: null, failure: Failure.crashed }
  })

  /** Lets the caller know that its call is worked on, where it wants to. */
  const withSignsOfLife = <A>({ monitor, ...call }: Call, work: Effect.Effect<A>): Effect.Effect<A> => {
    if (monitor === null) return work
    const sign = Effect.ignore(reply({ monitor, ...call }, { result: null, failure: null }, false)).pipe(
      Effect.delay(Duration.seconds(Math.max(monitor, shortestMonitor) / 2))
    )
    return Effect.raceFirst(work, Effect.forever(sign))
  }

  const misunderstood = (error: unknown) =>
    Effect.succeed({ result: null, failure: Failure.badArguments(String(error)) })

  const tooLate = Effect.die(new Error("it took more than twice its timeout"))

  /** Runs the handler, and seals what came of it. */
  const perform = Effect.fnUntraced(function* (
    delivery: Delivery,
    request: Envelope.RequestMessage,
    id: string,
    accepted: Accepted
  ) {
    const { method, opened, protection } = accepted
    const { method: name } = request
    const outcome = yield* method.decodePayload(opened.args).pipe(
      Effect.matchEffect({
        onFailure: misunderstood,
        onSuccess: (payload) =>
          dispatch.handle(delivery, accepted, payload).pipe(
            // Whoever asked has given up by then, or has gone away before.
            Effect.timeoutOrElse({ duration: Duration.times(method.timeout, 2), orElse: () => tooLate }),
            Effect.exit,
            Effect.flatMap((exit) => outcomeOf(method, name, exit)),
            Effect.catch(misunderstood)
          )
      })
    )
    return yield* protection.sealReply({ method: name, id, ...outcome })
  })

  const stopped: Outcome = { result: null, failure: Failure.stopped }
  const crashed = (name: string) => (cause: Cause.Cause<never>) =>
    Effect.as(Effect.logError(`${name} on ${topic} met a bug`, cause), { result: null, failure: Failure.crashed })

  const begin = Effect.fnUntraced(function* (
    delivery: Delivery,
    request: Envelope.RequestMessage,
    call: Call,
    id: string
  ): Effect.fn.Return<Begun> {
    const { method: name } = request
    if (!replyQueue.test(call.replyTo)) {
      return {
        fate: yield* buryUnproven(wire, topic, delivery, "it wants its answer where no answers go"),
        outcome: null
      }
    }
    const accepting = yield* Effect.exit(Effect.result(dispatch.accept(request, id)))
    if (Exit.isFailure(accepting)) {
      return { fate: "handled", outcome: yield* crashed(name)(accepting.cause) }
    }
    if (accepting.value._tag === "Failure") {
      const refused = accepting.value.failure
      // Whoever is not who it claims to be is told nothing.
      if (refused._tag === "Unproven")
        return { fate: yield* buryUnproven(wire, topic, delivery, refused.reason), outcome: null }
      if (refused._tag === "NotNow") {
        const failed = { method: name, id, result: null, failure: Failure.ofDisk(refused.error) }
        return { fate: "handled", outcome: yield* refused.protection.sealReply(failed) }
      }
      return { fate: "handled", outcome: { result: null, failure: refusal(request, refused) } }
    }
    ack(delivery)
    const outcome = yield* withSignsOfLife(call, perform(delivery, request, id, accepting.value.success)).pipe(
      Effect.catchCause(crashed(name)),
      Effect.onInterrupt(() => Effect.ignore(reply(call, stopped, true, patience.cast)))
    )
    return { fate: "handled", outcome }
  })

  /** `isStale` tells that the broker delivers it anew. */
  return Effect.fnUntraced(function* (
    delivery: Delivery,
    request: Envelope.RequestMessage,
    call: Call,
    id: string,
    isStale: () => boolean
  ) {
    const turn = Effect.suspend(() =>
      isStale() ? Effect.succeed<Begun>({ fate: "unfinished", outcome: null }) : begin(delivery, request, call, id)
    )
    const { fate, outcome } = yield* slots.withPermits(1)(turn)
    // Before its answer has arrived, for which a caller that is gone is waited for.
    settle(delivery, fate)
    if (outcome !== null) yield* answer(delivery, request.method, call, outcome)
    return fate
  })
}
