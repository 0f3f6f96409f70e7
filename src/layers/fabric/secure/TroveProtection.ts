/**
 * Protection as Trove's own services and agents have it, so that they understand ours. Each argument is encrypted
 * by itself; the method, the ids and failures stay legible. Nothing is authenticated, which `TroveCipher.ts` says
 * more about.
 *
 * One thing is stricter than Trove is: what comes in clear text is refused, where Trove's conductor takes it.
 */
import { Effect, Option, Record, type Redacted, Schema } from "effect"
import { onlyAnswering, onlyAsking } from "./OneSided.ts"
import { type Protection, ProtectionRefused } from "./Protection.ts"
import * as TroveCipher from "./TroveCipher.ts"

type Key = Redacted.Redacted
type Fields = Readonly<Record<string, unknown>>

const refused = (reason: string) => Effect.fail(new ProtectionRefused({ reason }))

/** As Python writes it, in ASCII: its readers do not all say which encoding they take. */
const toJson = (value: unknown): string =>
  (JSON.stringify(value) ?? "null").replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const isFields = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

const seal = (key: Key, value: unknown) => TroveCipher.encrypt(key, toJson(value))

const open = (key: Key, sealed: unknown, what: string): Effect.Effect<unknown, ProtectionRefused> => {
  const text = typeof sealed === "string" ? TroveCipher.decrypt(key, sealed) : Option.none()
  const value = Option.flatMap(text, fromJson)
  return Option.isSome(value)
    ? Effect.succeed(value.value)
    : refused(`${what} is not encrypted with the instance's key`)
}

const openContext = Effect.fnUntraced(function* (key: Key, { context }: Fields) {
  const opened = yield* open(key, context, "the context")
  return isFields(opened) ? opened : yield* refused("the context is not an object")
})

const openArgs = (args: Fields, openOne: (value: unknown, name: string) => Effect.Effect<unknown, ProtectionRefused>) =>
  Effect.map(
    Effect.forEach(Object.entries(args), ([name, value]) => Effect.map(openOne(value, name), (made) => [name, made])),
    (entries): Fields => Object.fromEntries(entries)
  )

/** Between the control plane and a guest, for both of them: the topic `guestagent.<id>`. */
export const toGuest = (key: Key): Protection => ({
  sealRequest: (request) =>
    Effect.sync(() => ({
      ...request,
      args: Record.map(request.args, (value) => seal(key, value)),
      context: { context: seal(key, request.context) }
    })),
  openRequest: Effect.fnUntraced(function* (sealed) {
    const args = yield* openArgs(sealed.args, (value, name) => open(key, value, `the argument ${name}`))
    return { ...sealed, args, context: yield* openContext(key, sealed.context), sender: null }
  }),
  sealReply: (reply) =>
    Effect.sync(() => (reply.failure === null ? { ...reply, result: seal(key, reply.result) } : reply)),
  openReply: Effect.fnUntraced(function* (sealed) {
    if (sealed.failure !== null) return { ...sealed, result: null }
    return { ...sealed, result: yield* open(key, sealed.result, "the result") }
  })
})

const nameOfSender = "csz-instance-id"

/** What an argument of a guest's report is, as JSON text. */
const Argument = Schema.fromJsonString(Schema.Struct({ entity: Schema.String, [nameOfSender]: Schema.String }))
const encodeArgument = Schema.encodeSync(Argument)
const decodeArgument = Schema.decodeUnknownOption(Argument)

/** A guest's, on the topic `trove-conductor`: it reports, and is not answered. */
export const toConductor = (instance: string, key: Key): Protection =>
  onlyAsking({
    sealRequest: (request) =>
      Effect.sync(() => ({
        ...request,
        args: Record.map(request.args, (value) =>
          encodeArgument({ entity: seal(key, value), [nameOfSender]: instance })
        ),
        context: { context: seal(key, request.context), [nameOfSender]: instance }
      })),
    openReply: ({ method }) => refused(`${method} is not answered`)
  })

/** Who has sent this report, by its own words; none where it is not in Trove's form. */
export const claimedSender = (context: Fields): Option.Option<string> => {
  const name = context[nameOfSender]
  return typeof name === "string" ? Option.some(name) : Option.none()
}

/** The conductor's, for the reports of the guest that has this key. Everything in one must be of that guest. */
export const fromGuest = (instance: string, key: Key): Protection =>
  onlyAnswering({
    openRequest: Effect.fnUntraced(function* (sealed) {
      if (Option.getOrNull(claimedSender(sealed.context)) !== instance) {
        return yield* refused("the context is not of the sender")
      }
      const openArgument = Effect.fnUntraced(function* (value: unknown, name: string) {
        const argument = decodeArgument(value)
        if (Option.isNone(argument)) return yield* refused(`the argument ${name} is in clear text`)
        if (argument.value[nameOfSender] !== instance)
          return yield* refused(`the argument ${name} is not of the sender`)
        return yield* open(key, argument.value.entity, `the argument ${name}`)
      })
      const args = yield* openArgs(sealed.args, openArgument)
      return { ...sealed, args, context: yield* openContext(key, sealed.context), sender: instance }
    }),
    sealReply: (reply) => Effect.succeed({ ...reply, result: null, failure: null })
  })
