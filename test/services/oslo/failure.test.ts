/** Failures as oslo.messaging carries them, by recorded ones, and whose fault each is. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Failure from "../../../src/layers/fabric/oslo/Failure.ts"
import { DiskError } from "../../../src/services/Disk.ts"
import { inner, isReply, sample } from "./samples.ts"

const fullDisk = new DiskError({ trouble: "DiskFull", detail: "/srv/a/replay: ENOSPC" })

/** The failure that a recorded call was answered with. */
const recorded = (name: string): string => {
  const reply = sample(name).messages.find(isReply)
  assert.isDefined(reply)
  const failure = inner(reply?.body ?? "")["failure"]
  assert.isString(failure)
  return String(failure)
}

const fields = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

describe("a recorded failure", () => {
  it.each<[string, Partial<Failure.Meaning>]>([
    ["oslo-14.0.3-call_builtin_exception", { _tag: "Foreign", name: "ValueError" }],
    ["oslo-14.0.3-call_trove_exception", { _tag: "Foreign" }],
    ["trove-master-secure-guest-restart-raises", { _tag: "Foreign" }],
    ["oslo-14.0.3-call_no_such_method", { _tag: "Misunderstood" }],
    ["oslo-14.0.3-call_unsupported_version", { _tag: "Misunderstood" }]
  ])("of %s is read as what it means", (name, meaning) => {
    const read = Failure.read(recorded(name))
    assert.deepInclude(read, meaning)
    if (!("message" in read)) return assert.fail("it has a message")
    assert.strictEqual(read.message, fields(recorded(name))["message"])
  })

  it("has the fields that ours have", () => {
    const keys = Object.keys(fields(recorded("oslo-14.0.3-call_builtin_exception")))
    for (const ours of [
      Failure.crashed,
      Failure.stopped,
      Failure.ofDisk(fullDisk),
      Failure.badArguments("x"),
      Failure.contractError(null, {})
    ]) {
      assert.sameMembers(Object.keys(fields(ours)), keys)
    }
  })

  it("of a method or version that is not served is ours word for word, but for the traceback", () => {
    const [noSuchMethod, version] = [
      fields(recorded("oslo-14.0.3-call_no_such_method")),
      fields(recorded("oslo-14.0.3-call_unsupported_version"))
    ]
    const [, method = ""] = /method (\w+)$/.exec(String(noSuchMethod["message"])) ?? []
    const [, wanted = "", attempted = ""] =
      /version ([\d.]+)\. Attempted method: (\w+)$/.exec(String(version["message"])) ?? []
    const without = ({ tb: _tb, kwargs: _kwargs, args: _args, ...rest }: Readonly<Record<string, unknown>>) => rest
    assert.deepStrictEqual(without(fields(Failure.noSuchMethod(method))), without(noSuchMethod))
    assert.deepStrictEqual(without(fields(Failure.unsupportedVersion(wanted, attempted))), without(version))
  })
})

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {
  override get message() {
    return `refused: ${this.why}`
  }
}

it("a contract's error travels with its type and message, and comes back as it was encoded", () => {
  const encoded = { _tag: "Refusal", why: "no room" }
  const written = Failure.contractError(new Refusal({ why: "no room" }), encoded)
  assert.deepInclude(fields(written), { class: "Refusal", module: "coffer", message: "refused: no room" })
  assert.deepStrictEqual(Failure.read(written), { _tag: "ContractError", encoded })
})

it("an error that is null when encoded is one all the same", () => {
  assert.deepStrictEqual(Failure.read(Failure.contractError(new Error("x"), null)), {
    _tag: "ContractError",
    encoded: null
  })
})

it("a full disk keeps its name and its path, of which so much is read", () => {
  const { detail, trouble } = fullDisk
  assert.deepStrictEqual(Failure.read(Failure.ofDisk(fullDisk)), { _tag: "Disk", trouble, message: detail })
  const chatty = new DiskError({ trouble, detail: "x".repeat(10_000) })
  assert.deepInclude(Failure.read(Failure.ofDisk(chatty)), { message: "x".repeat(500) })
})

it.each([
  ["a bug", Failure.crashed, "Crashed"],
  ["a server that stopped", Failure.stopped, "Stopped"],
  ["a disk that is full", Failure.ofDisk(fullDisk), "Disk"],
  ["an answer that is too long", Failure.tooLong, "Foreign"],
  ["arguments that are not the method's", Failure.badArguments("no b"), "Misunderstood"],
  ["what is no failure of oslo's", "boom", "Misunderstood"]
])("%s is told apart", (_, failure, tag) => {
  assert.strictEqual(Failure.read(failure)._tag, tag)
})

it("a server takes its own version and what is older, of its major version alone", () => {
  assert.isTrue(Failure.accepts("1.3", "1.0"))
  assert.isTrue(Failure.accepts("1.3", "1.3"))
  for (const other of ["1.4", "2.0", "0.9", "", "1.x", "new"]) assert.isFalse(Failure.accepts("1.3", other), other)
  assert.strictEqual(Failure.newest(["1.0", "1.10", "1.9"]), "1.10")
  assert.strictEqual(Failure.newest([]), "1.0")
})
