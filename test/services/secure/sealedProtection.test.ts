/** What our protection promises: whatever is changed, moved, turned round or sent again is refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import fc from "fast-check"
import type { Request } from "../../../src/layers/fabric/secure/Protection.ts"
import * as ReplayGuard from "../../../src/layers/fabric/secure/ReplayGuard.ts"
import * as Sealed from "../../../src/layers/fabric/secure/SealedProtection.ts"
import { DiskError } from "../../../src/services/Disk.ts"

const guest = "11111111-2222-3333-4444-555555555555"
const other = "99999999-2222-3333-4444-555555555555"
const key = Redacted.make("AbCdEfGhIjKlMnOpQrStUvWxYz012345")
const otherKey = Redacted.make("0bCdEfGhIjKlMnOpQrStUvWxYz012345")

const kinds: ReadonlyArray<Sealed.Kind> = ["request", "report", "news"]
const channel = (kind: Sealed.Kind, party = guest, of = key): Sealed.Channel => ({ kind, party, key: of })
const always: ReplayGuard.ReplayGuard = { accept: () => Effect.succeed(true), release: () => Effect.void }
const now = Effect.succeed(1_700_000_000_000_000n)

const request: Request = {
  method: "create_user",
  args: { users: [{ _name: "ann", _password: "secret" }], "": null },
  context: { request_id: "req-1", auth_token: "token" },
  id: "0e49d86f64a743aea95743649603594b"
}

const anything = fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false }))
const anyRequest = fc.record({ method: fc.string(), args: anything, context: anything, id: fc.string() })

/** What a value is after JSON, which knows no minus zero. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const flipped = (base64: string, bit: number) => {
  const bytes = Buffer.from(base64, "base64")
  const at = bit % (bytes.length * 8)
  bytes.writeUInt8(bytes.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3)
  return bytes.toString("base64")
}

const opens = (message: Request, as = channel("request")) =>
  Effect.map(Effect.exit(Sealed.answering(as, always).openRequest(message)), Exit.isSuccess)

const sealedAs = (kind: Sealed.Kind) => Sealed.asking(channel(kind), now).sealRequest(request)

const textOf = (value: unknown, field: string): string => {
  assert(typeof value === "object" && value !== null)
  const found: unknown = Reflect.get(value, field)
  assert(typeof found === "string")
  return found
}

describe("our protection", () => {
  it("gives the receiver what the sender meant, whatever that is, and shows nobody else any of it", () =>
    fc.assert(
      fc.asyncProperty(anyRequest, fc.constantFrom(...kinds), (request, kind) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const sealed = yield* Sealed.asking(channel(kind), now).sealRequest(request)
            assert.hasAllKeys(sealed.args, ["sealed", "party", "sequence"])
            assert.deepEqual(sealed.context, {})
            const { unhandled: _, ...opened } = yield* Sealed.answering(channel(kind), always).openRequest(sealed)
            const sender = kind === "report" ? guest : null
            assert.deepEqual(asJson(opened), asJson({ ...request, sender }))
          })
        )
      )
    ))

  it.effect("refuses a request of which any bit was changed", () =>
    Effect.gen(function* () {
      const message = yield* sealedAs("request")
      assert.isTrue(yield* opens(message))
      const { party, sealed, sequence } = { ...message.args }
      assert(typeof sealed === "string")
      for (let bit = 0; bit < Buffer.from(sealed, "base64").length * 8; bit++) {
        assert.isFalse(yield* opens({ ...message, args: { sealed: flipped(sealed, bit), party, sequence } }))
      }
    })
  )

  it.effect("refuses a request with another method, party, id or number, or with anything added", () =>
    Effect.gen(function* () {
      const message = yield* sealedAs("request")
      const changed: ReadonlyArray<Request> = [
        { ...message, method: "delete_user" },
        { ...message, id: "1e49d86f64a743aea95743649603594b" },
        { ...message, args: { ...message.args, party: other } },
        { ...message, args: { ...message.args, sequence: "1700000000000001" } },
        { ...message, args: { ...message.args, sequence: "01700000000000000" } },
        { ...message, args: { ...message.args, sequence: "1700000000000000 " } },
        { ...message, args: { ...message.args, sequence: 1_700_000_000_000_000 } },
        { ...message, args: { ...message.args, users: [] } },
        { ...message, args: { ...message.args, sealed: `${message.args["sealed"]}\n` } },
        { ...message, args: { ...message.args, sealed: "" } }
      ]
      for (const message of changed) assert.isFalse(yield* opens(message))
      assert.isFalse(yield* opens({ ...message, args: { ...message.args, party: other } }, channel("request", other)))
    })
  )

  it("refuses whatever is put in place of any of it", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record(
          { method: fc.string(), id: fc.string(), sealed: fc.string(), party: fc.string(), sequence: fc.string() },
          { requiredKeys: [] }
        ),
        (change) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const message = yield* sealedAs("request")
              const { method = message.method, id = message.id, ...args } = change
              const altered = { ...message, method, id, args: { ...message.args, ...args } }
              const same = JSON.stringify(altered) === JSON.stringify(message)
              assert.strictEqual(yield* opens(altered), same)
            })
          )
      )
    ))

  it.effect("opens nothing in another direction than it was sent in", () =>
    Effect.gen(function* () {
      for (const sent of kinds) {
        const message = yield* sealedAs(sent)
        for (const taken of kinds) assert.strictEqual(yield* opens(message, channel(taken)), sent === taken)
        const reflected = { method: request.method, id: request.id, result: message.args, failure: null }
        const bare = { ...reflected, result: { sealed: message.args["sealed"] } }
        for (const asked of kinds) {
          const { openReply } = Sealed.asking(channel(asked), now)
          assert.isTrue(Exit.isFailure(yield* Effect.exit(openReply(reflected))))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(openReply(bare))))
        }
      }
    })
  )

  it.effect("opens a reply as no request, and a reply to one request as that to no other", () =>
    Effect.gen(function* () {
      const reply = { method: request.method, id: request.id, result: { n: 1 }, failure: null }
      const { openReply } = Sealed.asking(channel("request"), now)
      const sealed = yield* Sealed.answering(channel("request"), always).sealReply(reply)
      assert.deepEqual(yield* openReply(sealed), reply)
      const text = textOf(sealed.result, "sealed")
      for (const wrong of [
        { ...sealed, id: "1" },
        { ...sealed, method: "rpc_ping" },
        { ...sealed, failure: "{}" },
        { ...sealed, result: { n: 1 } },
        { ...sealed, result: null },
        { ...sealed, result: { sealed: text, n: 1 } },
        { ...sealed, result: { sealed: flipped(text, 100) } }
      ]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(openReply(wrong))))
      }
      const args = { sealed: text, party: guest, sequence: "1700000000000000" }
      for (const kind of kinds) assert.isFalse(yield* opens({ ...request, args, context: {} }, channel(kind)))
    })
  )

  it.effect("seals a failure like a result, and shows neither", () =>
    Effect.gen(function* () {
      for (const [result, failure] of [
        [null, '{"message": "of a secret kind"}'],
        [null, null],
        [{ password: "of a secret kind" }, null]
      ] as const) {
        const reply = { method: request.method, id: request.id, result, failure }
        const sealed = yield* Sealed.answering(channel("request"), always).sealReply(reply)
        assert.strictEqual(sealed.failure, null)
        assert.notInclude(JSON.stringify(sealed), "secret")
        assert.deepEqual(yield* Sealed.asking(channel("request"), now).openReply(sealed), reply)
      }
    })
  )

  it.effect("opens nothing that is of another party, by its key or by its name", () =>
    Effect.gen(function* () {
      for (const kind of kinds) {
        const message = yield* sealedAs(kind)
        assert.isFalse(yield* opens(message, channel(kind, guest, otherKey)))
        assert.isFalse(yield* opens(message, channel(kind, other, key)))
        const renamed = { ...message, args: { ...message.args, party: other } }
        assert.isFalse(yield* opens(renamed, channel(kind, other, otherKey)))
      }
    })
  )

  it("takes nothing in clear text, whatever it is", () =>
    fc.assert(
      fc.asyncProperty(anyRequest, fc.constantFrom(...kinds), (message, kind) =>
        Effect.runPromise(Effect.map(opens(message, channel(kind)), assert.isFalse))
      )
    ))

  it.effect("refuses a message that comes again, and asks about none that is not proven", () =>
    Effect.gen(function* () {
      const guard = yield* ReplayGuard.make(yield* ReplayGuard.inMemory)
      const receiver = Sealed.answering(channel("request"), guard)
      const message = yield* sealedAs("request")
      const forged = { ...message, args: { ...message.args, sequence: "9999999999999999" } }
      assert.isTrue(Exit.isFailure(yield* Effect.exit(receiver.openRequest(forged))))
      yield* receiver.openRequest(message)
      const refused = yield* Effect.flip(receiver.openRequest(message))
      assert.deepInclude(refused, { _tag: "ProtectionRefused", reason: "create_user came before, or comes too late" })
    })
  )

  it.effect("tells the sender alone, and only who is proven to be it, that what it says cannot be kept", () =>
    Effect.gen(function* () {
      const full = new DiskError({ trouble: "DiskFull", detail: "/replay: ENOSPC" })
      let isFull = true
      const guard = yield* ReplayGuard.make({
        read: Effect.succeed(0n),
        write: () => (isFull ? Effect.fail(full) : Effect.void)
      })
      const receiver = Sealed.answering(channel("request"), guard)
      const message = yield* sealedAs("request")
      const forged = { ...message, args: { ...message.args, sequence: "9999999999999999" } }
      assert.strictEqual((yield* Effect.flip(receiver.openRequest(forged)))._tag, "ProtectionRefused")
      assert.strictEqual(yield* Effect.flip(receiver.openRequest(message)), full)
      // Neither taken nor refused: it is new when it comes again.
      isFull = false
      assert.strictEqual((yield* receiver.openRequest(message)).method, "create_user")
      assert.strictEqual((yield* Effect.flip(receiver.openRequest(message)))._tag, "ProtectionRefused")
    })
  )
})
