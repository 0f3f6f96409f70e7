/**
 * The guests' keys in PostgreSQL, sealed. A key never changes, so that each is read once in a while and not with
 * every heartbeat.
 */
import { randomInt } from "node:crypto"
import { Cache, Duration, Effect, Exit, Layer, Option, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { AgentKind } from "../../services/GuestAccess.ts"
import { InstanceId } from "../../services/Ids.ts"
import { SecretBox } from "../../services/SecretBox.ts"
import { type GuestKey, Keyring } from "../fabric/secure/Keyring.ts"

/** How many keys are remembered, and for how long: so long does another process take a guest's word after its end. */
export const maxKnown = 10_000
export const knownFor = Duration.minutes(5)

/** Ids without a key. They have a place of their own, so that invented ones push no guest out of the other. */
export const maxUnknown = 1000
export const unknownFor = Duration.seconds(5)

const lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const keyLength = 32

const drawKey = Effect.sync(() =>
  Redacted.make(Array.from({ length: keyLength }, () => lettersAndDigits[randomInt(lettersAndDigits.length)]).join(""))
)

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const decodeRows = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ protocol: AgentKind, sealed: Schema.Uint8Array }))
)
const decodeGuests = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ instance: InstanceId, protocol: AgentKind }))
)
const isInstanceId = Schema.is(InstanceId)

/** How many guests are read at a time where all are asked for. */
export const pageSize = 1000

const ownerOf = (instance: InstanceId) => `guest-key:${instance}`

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const box = yield* SecretBox

  const read = Effect.fnUntraced(function* (instance: InstanceId) {
    const [row] = yield* sql`SELECT protocol, sealed FROM guest_keys WHERE instance = ${instance}`.pipe(
      Effect.flatMap(decodeRows),
      died
    )
    if (row === undefined) return Option.none<GuestKey>()
    return Option.some<GuestKey>({
      protocol: row.protocol,
      key: yield* died(box.open(ownerOf(instance), row.sealed))
    })
  })

  const known = yield* Cache.makeWith<InstanceId, Option.Option<GuestKey>>(read, {
    capacity: maxKnown,
    timeToLive: () => knownFor
  })
  const unknown = yield* Cache.makeWith<InstanceId, Option.Option<GuestKey>>(
    Effect.fnUntraced(function* (instance) {
      const found = yield* read(instance)
      if (Option.isSome(found)) yield* Cache.set(known, instance, found)
      return found
    }),
    {
      capacity: maxUnknown,
      timeToLive: (exit) => (Exit.isSuccess(exit) && Option.isNone(exit.value) ? unknownFor : Duration.zero)
    }
  )

  const find: Keyring["Service"]["find"] = Effect.fnUntraced(function* (claimed) {
    if (!isInstanceId(claimed)) return Option.none()
    const remembered = yield* Cache.getOption(known, claimed)
    return Option.isSome(remembered) ? remembered.value : yield* Cache.get(unknown, claimed)
  })

  const ensure: Keyring["Service"]["ensure"] = Effect.fn("Keyring.ensure")(function* (instance, protocol) {
    const sealed = yield* box.seal(ownerOf(instance), yield* drawKey)
    yield* died(sql`
      INSERT INTO guest_keys ${sql.insert({ instance, protocol, sealed })} ON CONFLICT DO NOTHING`)
    yield* Cache.invalidate(unknown, instance)
    // Another process may have been first.
    return yield* died(Effect.fromOption(yield* read(instance)))
  })

  const forget: Keyring["Service"]["forget"] = Effect.fn("Keyring.forget")(function* (instance) {
    yield* died(sql`DELETE FROM guest_keys WHERE instance = ${instance}`)
    yield* Cache.invalidate(known, instance)
  })

  const all: Keyring["Service"]["all"] = Effect.gen(function* () {
    const guests: Array<{ readonly instance: InstanceId; readonly protocol: AgentKind }> = []
    for (let more = true; more; ) {
      const last = guests.at(-1)?.instance ?? ""
      const page = yield* sql`
        SELECT instance, protocol FROM guest_keys WHERE instance > ${last}
        ORDER BY instance LIMIT ${pageSize}`.pipe(Effect.flatMap(decodeGuests), died)
      guests.push(...page)
      more = page.length === pageSize
    }
    return guests
  })

  return Keyring.of({ ensure, find, forget, all })
})

export const layer: Layer.Layer<Keyring, never, SqlClient.SqlClient | SecretBox> = Layer.effect(Keyring, make)
