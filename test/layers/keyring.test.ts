/** The guests' keys in PostgreSQL: drawn once, sealed, remembered for a while, and gone when they are to be. */
import { NodeServices } from "@effect/platform-node"
import { expect, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as AesSecretBox from "../../src/layers/AesSecretBox.ts"
import { type GuestKey, Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import * as Migrations from "../../src/layers/postgres/Migrations.ts"
import * as PgKeyring from "../../src/layers/postgres/PgKeyring.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { client } from "../support/postgres.ts"

const secretBox = (byte = 7) => AesSecretBox.layer(Redacted.make(new Uint8Array(32).fill(byte)))

const database = Migrations.layer.pipe(Layer.provideMerge(client), Layer.provide(NodeServices.layer))

/** A process of the control plane: what it remembers is its own. */
const aProcess = (box = secretBox()) =>
  Effect.map(Layer.build(Layer.fresh(PgKeyring.layer).pipe(Layer.provide(box))), (context) =>
    Context.get(context, Keyring)
  )

let drawn = 0
const anInstance = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = InstanceId.make(`00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`)
  const now = new Date()
  yield* sql`INSERT INTO instances ${sql.insert({
    id,
    project: "p",
    name: "db",
    flavor: "1",
    ram: 512,
    volume_size: 1,
    volume_type: null,
    datastore_version: "v",
    region: "RegionOne",
    access: null,
    created: now,
    updated: now
  })}`
  return id
})

const rows = (id: InstanceId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly sealed: Uint8Array }>`SELECT sealed FROM guest_keys WHERE instance = ${id}`
  )

/** What is redacted compares as equal to all that is. */
const bare = ({ key, protocol }: GuestKey) => ({ protocol, key: Redacted.value(key) })
const found = (keyring: Keyring["Service"], id: InstanceId) => Effect.map(keyring.find(id), Option.map(bare))

/** Takes the row away behind the back of every process: what is still known was remembered. */
const steal = (id: InstanceId) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM guest_keys WHERE instance = ${id}`)

layer(database, { excludeTestServices: true, timeout: 60_000 })("the keyring", (it) => {
  it.effect("draws 32 letters and digits for a guest, once, whoever asks and how", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* aProcess(), yield* aProcess()]
      const id = yield* anInstance
      const asked = yield* Effect.all(
        [one, other, one, other].map((keyring) => keyring.ensure(id, "coffer")),
        { concurrency: "unbounded" }
      )
      const keys = new Set(asked.map(({ key }) => Redacted.value(key)))
      expect(keys.size).toBe(1)
      expect([...keys][0]).toMatch(/^[A-Za-z0-9]{32}$/)
      const again = yield* other.ensure(id, "trove")
      expect(again.protocol).toBe("coffer")
      expect(keys).toContain(Redacted.value(again.key))
      expect(yield* found(one, id)).toEqual(Option.some(bare(again)))
    }).pipe(Effect.scoped)
  )

  it.effect("gives different guests different keys, and shows none of them", () =>
    Effect.gen(function* () {
      const keyring = yield* aProcess()
      const keys = new Set<string>()
      for (let n = 0; n < 20; n++) {
        const id = yield* anInstance
        const { key } = yield* keyring.ensure(id, "trove")
        keys.add(Redacted.value(key))
        const [row] = yield* rows(id)
        expect(Buffer.from(row?.sealed ?? []).includes(Redacted.value(key))).toBe(false)
        expect(JSON.stringify(yield* keyring.find(id))).not.toContain(Redacted.value(key))
      }
      expect(keys.size).toBe(20)
    }).pipe(Effect.scoped)
  )

  it.effect("opens a key for no other instance, and with no other key of the store", () =>
    Effect.gen(function* () {
      const keyring = yield* aProcess()
      const [ann, bob] = [yield* anInstance, yield* anInstance]
      yield* keyring.ensure(ann, "coffer")
      yield* keyring.ensure(bob, "coffer")
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        UPDATE guest_keys SET sealed = (SELECT sealed FROM guest_keys WHERE instance = ${ann}) WHERE instance = ${bob}`
      const died = yield* Effect.exit((yield* aProcess()).find(bob))
      expect(String(died)).toContain("SealBroken")
      expect(String(yield* Effect.exit((yield* aProcess(secretBox(8))).find(ann)))).toContain("SealBroken")
    }).pipe(Effect.scoped)
  )

  it.effect("asks the store once in a while for what it knows, and soon again for what it does not", () =>
    Effect.gen(function* () {
      const [keyring, other] = [yield* aProcess(), yield* aProcess()]
      const id = yield* anInstance
      expect(yield* keyring.find(id)).toEqual(Option.none())
      const made = bare(yield* other.ensure(id, "coffer"))
      expect(yield* keyring.find(id)).toEqual(Option.none())
      yield* TestClock.adjust(PgKeyring.unknownFor)
      expect(yield* found(keyring, id)).toEqual(Option.some(made))
      yield* steal(id)
      expect(yield* found(keyring, id)).toEqual(Option.some(made))
      yield* TestClock.adjust(PgKeyring.knownFor)
      expect(yield* keyring.find(id)).toEqual(Option.none())
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
  )

  it.effect("knows a guest at once that it has just given a key, though it did not know it before", () =>
    Effect.gen(function* () {
      const keyring = yield* aProcess()
      const id = yield* anInstance
      expect(yield* keyring.find(id)).toEqual(Option.none())
      const ensured = bare(yield* keyring.ensure(id, "trove"))
      expect(yield* found(keyring, id)).toEqual(Option.some(ensured))
    }).pipe(Effect.scoped)
  )

  it.effect("forgets a key at once, here, and in other processes after a while", () =>
    Effect.gen(function* () {
      const [keyring, other] = [yield* aProcess(), yield* aProcess()]
      const id = yield* anInstance
      const made = bare(yield* keyring.ensure(id, "coffer"))
      expect(yield* found(other, id)).toEqual(Option.some(made))
      yield* keyring.find(id)
      yield* keyring.forget(id)
      yield* keyring.forget(id)
      expect(yield* keyring.find(id)).toEqual(Option.none())
      expect(Option.isSome(yield* other.find(id))).toBe(true)
      yield* TestClock.adjust(PgKeyring.knownFor)
      expect(yield* other.find(id)).toEqual(Option.none())
      // One that is made after it is another.
      expect(bare(yield* keyring.ensure(id, "coffer")).key).not.toBe(made.key)
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
  )

  it.effect("lets no invented id push out a guest, and asks the store for none that is no id", () =>
    Effect.gen(function* () {
      const keyring = yield* aProcess()
      const id = yield* anInstance
      yield* keyring.ensure(id, "coffer")
      yield* keyring.find(id)
      yield* steal(id)
      const invented = Array.from(
        { length: PgKeyring.maxUnknown + 100 },
        (_, n) => `ffffffff-0000-4000-8000-${String(n).padStart(12, "0")}`
      )
      for (const claimed of [...invented, "", "x", "control", `${id} `, `${id}\0`, "x".repeat(100_000)]) {
        expect(yield* keyring.find(claimed)).toEqual(Option.none())
      }
      expect(Option.isSome(yield* keyring.find(id))).toBe(true)
    }).pipe(Effect.scoped)
  )

  it.effect("names every guest that has a key, page by page", () =>
    Effect.gen(function* () {
      const keyring = yield* aProcess()
      const sql = yield* SqlClient.SqlClient
      const [ann, bob] = [yield* anInstance, yield* anInstance]
      yield* keyring.ensure(ann, "coffer")
      yield* keyring.ensure(bob, "trove")
      const many = PgKeyring.pageSize * 2
      yield* sql`
        INSERT INTO instances SELECT (jsonb_populate_record(i, jsonb_build_object('id', 'eeeeeeee-0000-4000-8000-' || lpad(n::text, 12, '0')))).*
        FROM instances i, generate_series(1, ${many}) n WHERE i.id = ${ann}`
      yield* sql`
        INSERT INTO guest_keys SELECT (jsonb_populate_record(k, jsonb_build_object('instance', i.id))).*
        FROM guest_keys k, instances i WHERE k.instance = ${ann} AND i.id LIKE 'eeeeeeee-%'`
      const all = yield* keyring.all
      expect(all).toContainEqual({ instance: ann, protocol: "coffer" })
      expect(all).toContainEqual({ instance: bob, protocol: "trove" })
      expect(new Set(all.map(({ instance }) => instance)).size).toBe(all.length)
      expect(all.filter(({ instance }) => instance.startsWith("eeeeeeee")).length).toBe(many)
      yield* keyring.forget(bob)
      expect(yield* keyring.all).not.toContainEqual({ instance: bob, protocol: "trove" })
    }).pipe(Effect.scoped)
  )
})
