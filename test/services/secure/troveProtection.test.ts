/** Protection as Trove has it, against messages that Trove's services and a real guest agent have sent. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Record, Redacted, Schema } from "effect"
import { readReply, readRequest, Unreadable } from "../../../src/layers/fabric/oslo/Envelope.ts"
import type { Request } from "../../../src/layers/fabric/secure/Protection.ts"
import * as TroveProtection from "../../../src/layers/fabric/secure/TroveProtection.ts"

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const Sample = Schema.Struct({
  captured_with: Schema.String,
  messages: Schema.Array(
    Schema.Struct({
      exchange: Schema.String,
      routing_key: Schema.String,
      body: Schema.String,
      decrypted: Schema.optionalKey(
        Schema.Struct({
          args: Schema.optionalKey(Fields),
          context: Schema.optionalKey(Fields),
          result: Schema.optionalKey(Schema.Unknown)
        })
      )
    })
  )
})
const decodeSample = Schema.decodeUnknownSync(Schema.fromJsonString(Sample))

const folder = new URL("../../fixtures/wire/", import.meta.url)
const samples = readdirSync(folder)
  .filter((name) => name.includes("-secure-"))
  .map((name) => ({ name, ...decodeSample(readFileSync(new URL(name, folder), "utf8")) }))

/** The samples were made with keys that are no secret, and say which. */
const keyOf = (capturedWith: string) =>
  Redacted.make(/(?:instance key |instance_rpc_encr_key=)(\w+)/.exec(capturedWith)?.[1] ?? "")

const requestIn = (body: string): Request => {
  const message = readRequest(Buffer.from(body))
  assert(!(message instanceof Unreadable))
  return { method: message.method, args: message.args, context: message.context, id: message.id ?? "" }
}

const replyIn = (body: string) => {
  const message = readReply(Buffer.from(body))
  assert(!(message instanceof Unreadable))
  return { method: "", id: message.id, result: message.result, failure: message.failure }
}

/** Where a sample has this in place of what was sent, it cannot be opened. */
const leftOut = "<rendered datastore configuration>"
const isThere = (value: unknown) => value !== leftOut

/** The samples tell nothing of a traceback but that there was one. */
const shortened = (args: Request["args"]) =>
  Array.isArray(args["exception"]) ? { ...args, exception: ["<traceback lines>"] } : args

const key = Redacted.make("AbCdEfGhIjKlMnOpQrStUvWxYz012345")
const guest = "11111111-2222-3333-4444-555555555555"
const other = "99999999-2222-3333-4444-555555555555"

const request: Request = {
  method: "heartbeat",
  args: { instance_id: guest, sent: 1.5, payload: { service_status: "healthy" }, note: "häuser \u007f\ud83d\ude00" },
  context: { user: null, roles: ["a"] },
  id: "0e49d86f64a743aea95743649603594b"
}

describe("Trove's protection", () => {
  it.effect("opens what Trove's services and agents have sent", () =>
    Effect.gen(function* () {
      let count = 0
      for (const { captured_with, messages, name } of samples) {
        const key = keyOf(captured_with)
        for (const { body, decrypted, exchange, routing_key } of messages) {
          if (decrypted === undefined) continue
          count++
          if (exchange === "") {
            const reply = yield* TroveProtection.toGuest(key).openReply(replyIn(body))
            assert.deepEqual(reply.result, decrypted.result ?? null, name)
            assert.strictEqual(reply.failure === null, "result" in decrypted, name)
            continue
          }
          const request = requestIn(body)
          const sealed = { ...request, args: Record.filter(request.args, isThere) }
          const sender = routing_key.startsWith("guestagent.") ? null : String(sealed.context["csz-instance-id"])
          const protection = sender === null ? TroveProtection.toGuest(key) : TroveProtection.fromGuest(sender, key)
          const opened = yield* protection.openRequest(sealed)
          assert.deepEqual(shortened(opened.args), Record.filter(decrypted.args ?? {}, isThere), name)
          assert.deepEqual(opened.context, decrypted.context, name)
          assert.strictEqual(opened.sender, sender)
        }
      }
      assert.isAtLeast(count, 20)
    })
  )

  it.effect("asks a guest so that the guest reads what was meant, and nobody in between does", () =>
    Effect.gen(function* () {
      const protection = TroveProtection.toGuest(key)
      const sealed = yield* protection.sealRequest(request)
      assert.deepEqual(Object.keys(sealed.args), Object.keys(request.args))
      assert.deepEqual(Object.keys(sealed.context), ["context"])
      assert.notInclude(JSON.stringify(sealed), "healthy")
      assert.deepEqual(yield* protection.openRequest(sealed), { ...request, sender: null })
    })
  )

  it.effect("encrypts a result, even none, and leaves a failure legible", () =>
    Effect.gen(function* () {
      const protection = TroveProtection.toGuest(key)
      for (const result of [null, 5, { a: [1] }]) {
        const reply = { method: request.method, id: request.id, result, failure: null }
        const sealed = yield* protection.sealReply(reply)
        assert.match(String(sealed.result), /^[A-Za-z0-9+/]{43,}=*$/)
        assert.deepEqual(yield* protection.openReply(sealed), reply)
      }
      const failed = { method: request.method, id: request.id, result: null, failure: '{"class": "X"}' }
      assert.deepEqual(yield* protection.sealReply(failed), failed)
      assert.deepEqual(yield* protection.openReply(failed), failed)
    })
  )

  it.effect("takes no request and no result in clear text, or of another key", () =>
    Effect.gen(function* () {
      const protection = TroveProtection.toGuest(key)
      const sealed = yield* protection.sealRequest(request)
      const foreign = yield* TroveProtection.toGuest(Redacted.make("x".repeat(32))).sealRequest(request)
      const wrong: ReadonlyArray<Request> = [
        request,
        { ...request, args: {} },
        { ...sealed, context: {} },
        { ...sealed, context: request.context },
        { ...sealed, args: { ...sealed.args, sent: 1.5 } },
        { ...sealed, args: { ...sealed.args, sent: "1.5" } },
        { ...sealed, args: foreign.args },
        { ...sealed, context: foreign.context }
      ]
      for (const message of wrong) {
        assert.strictEqual((yield* Effect.flip(protection.openRequest(message)))._tag, "ProtectionRefused")
      }
      for (const result of ["plain", null, { a: 1 }, 7]) {
        const reply = { method: "rpc_ping", id: "1", result, failure: null }
        assert.strictEqual((yield* Effect.flip(protection.openReply(reply)))._tag, "ProtectionRefused")
      }
    })
  )

  it.effect("reports to the conductor under the guest's name, in each argument and the context", () =>
    Effect.gen(function* () {
      const sealed = yield* TroveProtection.toConductor(guest, key).sealRequest(request)
      for (const value of Object.values(sealed.args)) {
        const argument: unknown = JSON.parse(String(value))
        assert.hasAllKeys(argument, ["entity", "csz-instance-id"])
        assert.propertyVal(argument, "csz-instance-id", guest)
      }
      assert.hasAllKeys(sealed.context, ["context", "csz-instance-id"])
      assert.deepEqual(yield* TroveProtection.fromGuest(guest, key).openRequest(sealed), { ...request, sender: guest })
    })
  )

  it.effect("takes no report of which a part is in clear text or another guest's", () =>
    Effect.gen(function* () {
      const conductor = TroveProtection.fromGuest(guest, key)
      const mine = yield* TroveProtection.toConductor(guest, key).sealRequest(request)
      const theirs = yield* TroveProtection.toConductor(other, key).sealRequest(request)
      const noArgs = { ...mine, args: {} }
      assert.deepEqual((yield* conductor.openRequest(noArgs)).args, {})
      const wrong: ReadonlyArray<Request> = [
        request,
        theirs,
        { ...mine, context: {} },
        { ...mine, context: theirs.context },
        { ...mine, context: { ...mine.context, "csz-instance-id": other } },
        { ...mine, args: { ...mine.args, instance_id: guest } },
        { ...mine, args: { ...mine.args, sent: 1.5 } },
        { ...mine, args: { ...mine.args, sent: JSON.stringify("1.5") } },
        { ...mine, args: { ...mine.args, instance_id: theirs.args["instance_id"] } }
      ]
      for (const message of wrong) {
        assert.strictEqual((yield* Effect.flip(conductor.openRequest(message)))._tag, "ProtectionRefused")
      }
    })
  )
})
