/**
 * Our own protection: whoever reads a message knows that its sender has the party's key and meant just this method,
 * these arguments, in this direction, now. A change of anything, a message sent back to where it came from, one of
 * another party, one that comes again and one in clear text are all refused.
 *
 * On the wire a request is `{ sealed, party, sequence }` in place of the arguments, and has no context; a result is
 * `{ sealed }`, and a failure stands inside it. What travels beside them, the contract's version and where the
 * reply goes, is oslo's and not bound: it is told neither a secret nor by whom to be believed.
 */
import { Effect, Option, Schema } from "effect"
import { derive, type Origin } from "./Derive.ts"
import type { Answering, Asking } from "./OneSided.ts"
import { type Protection, ProtectionRefused } from "./Protection.ts"
import type { ReplayGuard } from "./ReplayGuard.ts"
import { open, type SealKey, seal } from "./Seal.ts"
import type { Sequence } from "./Sequence.ts"

/**
 * What is said over a channel.
 * - `request`: the control plane asks a party, which replies.
 * - `report`: a party tells the conductor.
 * - `news`: one process of the control plane tells another.
 */
export type Kind = "request" | "report" | "news"

/** A direction has a key of its own, so that nothing opens in another. */
const answerTo = { request: "reply", report: "receipt", news: "answer" } as const satisfies Record<Kind, string>
type Direction = Kind | (typeof answerTo)[Kind]

/** Remembered for as long as the key that it is made of: to make it costs as much as to open a message with it. */
const keyOf = (() => {
  const made = new WeakMap<Origin, Map<Direction, SealKey>>()
  return (origin: Origin, direction: Direction): SealKey => {
    const known = made.get(origin) ?? new Map<Direction, SealKey>()
    made.set(origin, known)
    const key = known.get(direction) ?? derive(origin, direction)
    known.set(direction, key)
    return key
  }
})()

/** What two sides share. */
export interface Channel {
  readonly kind: Kind
  /** Whose key it is: the id of an instance, `host:<name>`, or `control`. */
  readonly party: string
  readonly key: Origin
}

const version = "coffer.1"

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const Call = Schema.fromJsonString(Schema.Struct({ args: Fields, context: Fields }))
const Outcome = Schema.fromJsonString(Schema.Struct({ result: Schema.Unknown, failure: Schema.NullOr(Schema.String) }))
const encodeCall = Schema.encodeSync(Call)
const decodeCall = Schema.decodeOption(Call)
const encodeOutcome = Schema.encodeSync(Outcome)
const decodeOutcome = Schema.decodeOption(Outcome)

/** In place of the arguments. A number has one way to be written, and is of 64 bits. */
const SealedArgs = Schema.Struct({
  sealed: Schema.String,
  party: Schema.String,
  sequence: Schema.String.check(Schema.isPattern(/^[1-9][0-9]{0,18}$/))
})
const decodeArgs = Schema.decodeUnknownOption(SealedArgs, { onExcessProperty: "error" })
const decodeResult = Schema.decodeUnknownOption(Schema.Struct({ sealed: Schema.String }), { onExcessProperty: "error" })

const refused = (reason: string) => Effect.fail(new ProtectionRefused({ reason }))

/** Who has sent this, by its own words; none where it is not in our form. */
export const claimedParty = (args: unknown): Option.Option<string> => Option.map(decodeArgs(args), ({ party }) => party)

export const asking = ({ key, kind, party }: Channel, next: Effect.Effect<Sequence>): Asking => ({
  sealRequest: ({ args, context, id, method }) =>
    Effect.map(next, (number) => {
      const sequence = String(number)
      const binding = [version, kind, party, method, id, sequence]
      const sealed = seal(keyOf(key, kind), binding, encodeCall({ args, context }))
      return { method, id, args: { sealed, party, sequence }, context: {} }
    }),
  openReply: ({ failure, id, method, result }) => {
    const wrapped = decodeResult(result)
    if (failure !== null || Option.isNone(wrapped)) return refused(`the reply to ${method} is not sealed`)
    const direction = answerTo[kind]
    const text = open(keyOf(key, direction), [version, direction, party, method, id], wrapped.value.sealed)
    const outcome = Option.flatMap(text, decodeOutcome)
    if (Option.isNone(outcome)) return refused(`the reply to ${method} is not of the party's key, or was altered`)
    return Effect.succeed({ method, id, ...outcome.value })
  }
})

export const answering = ({ key, kind, party }: Channel, guard: ReplayGuard): Answering => ({
  openRequest: Effect.fnUntraced(function* ({ args, id, method }) {
    const wrapped = decodeArgs(args)
    if (Option.isNone(wrapped)) return yield* refused(`${method} is not sealed`)
    const { sealed, sequence } = wrapped.value
    if (wrapped.value.party !== party) return yield* refused(`${method} names another party`)
    const text = open(keyOf(key, kind), [version, kind, party, method, id, sequence], sealed)
    const call = Option.flatMap(text, decodeCall)
    if (Option.isNone(call)) return yield* refused(`${method} is not of the party's key, or was altered`)
    const number = BigInt(sequence)
    if (!(yield* guard.accept(number, id))) return yield* refused(`${method} came before, or comes too late`)
    const sender = kind === "report" ? party : null
    return { method, id, ...call.value, sender, unhandled: guard.release(number, id) }
  }),
  sealReply: ({ failure, id, method, result }) =>
    Effect.sync(() => {
      const direction = answerTo[kind]
      const text = encodeOutcome({ result: result ?? null, failure })
      const sealed = seal(keyOf(key, direction), [version, direction, party, method, id], text)
      return { method, id, result: { sealed }, failure: null }
    })
})

/** Of a topic whose senders and servers are the same processes. */
export const both = (channel: Channel, next: Effect.Effect<Sequence>, guard: ReplayGuard): Protection => ({
  ...asking(channel, next),
  ...answering(channel, guard)
})
