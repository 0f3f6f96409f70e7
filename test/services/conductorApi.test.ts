/** What may be said to the conductor: every report that Trove's agents were seen to send, and bounds on all of it. */
import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { ConductorApi, maxReportLength, reportable, ServiceStatus } from "../../src/services/ConductorApi.ts"
import { operatingStatusOf } from "../../src/services/Status.ts"

/** The contract's payload of `method` as it travels, its type erased. */
const codec = (method: string) => {
  const rpc = ConductorApi.requests.get(method as "heartbeat")
  if (rpc === undefined) throw new Error(`no method ${method}`)
  return Schema.toCodecJson(rpc.payloadSchema) as unknown as Schema.Codec<Record<string, unknown>>
}
const heard = (method: string, args: unknown) => Schema.decodeUnknownExit(codec(method))(args)
const refused = (method: string, args: unknown) => Exit.isFailure(heard(method, args))

const Recorded = Schema.fromJsonString(
  Schema.Struct({
    messages: Schema.Array(
      Schema.Struct({
        routing_key: Schema.optionalKey(Schema.String),
        decrypted: Schema.optionalKey(Schema.Struct({ args: Schema.optionalKey(Schema.Unknown) })),
        "oslo.message_decoded": Schema.optionalKey(
          Schema.Struct({ method: Schema.optionalKey(Schema.String), args: Schema.optionalKey(Schema.Unknown) })
        )
      })
    )
  })
)

const folder = new URL("../fixtures/wire/", import.meta.url)

/** What real agents sent to the conductor, in plain text or decrypted. */
const recordedReports = readdirSync(folder)
  .filter((name) => /^(guestagent|trove-master)-/.test(name))
  .flatMap((name) => {
    const { messages } = Schema.decodeUnknownSync(Recorded)(readFileSync(new URL(name, folder), "utf8"))
    return messages.flatMap(({ decrypted, "oslo.message_decoded": message, routing_key }) =>
      routing_key === "trove-conductor" && message?.method !== undefined
        ? [{ name, method: message.method, args: decrypted?.args ?? message.args }]
        : []
    )
  })

const instance_id = "aaaaaaaa-0000-4000-8000-000000000001"

describe("every report that a real agent was seen to send is heard", () => {
  it("by all methods that Trove's agents know", () => {
    const methods = new Set(recordedReports.map(({ method }) => method))
    expect([...methods].sort()).toEqual(["heartbeat", "notify_end", "notify_exc_info", "report_root", "update_backup"])
  })

  for (const { args, method, name } of recordedReports) {
    it(`${method} of ${name}`, () => {
      const exit = heard(method, args)
      expect(exit).toMatchObject({ _tag: "Success" })
      // But for what nobody reads, nothing of it is changed.
      const { notification_args: _, ...told } = args as Record<string, unknown>
      expect(Exit.isSuccess(exit) && exit.value).toMatchObject(told)
    })
  }
})

/** Trove's own table of descriptions and what its API shows for them. */
const shownAs: Record<string, string> = {
  running: "ACTIVE",
  blocked: "BLOCKED",
  paused: "SHUTDOWN",
  shutdown: "SHUTDOWN",
  deleted: "DELETED",
  crashed: "SHUTDOWN",
  "failed to spawn": "FAILED",
  building: "BUILD",
  "promoting replica": "PROMOTE",
  "ejecting replica source": "EJECT",
  "transferring guest logs": "LOGGING",
  unknown: "ERROR",
  new: "NEW",
  "guestagent error": "ERROR",
  "instance ready": "BUILD",
  "restart required": "RESTART_REQUIRED",
  healthy: "HEALTHY",
  upgrading: "UPGRADING",
  restarting: "RESTARTING"
}

describe("a service status", () => {
  it.each(Object.entries(shownAs))("%s is heard, and shown as %s", (text, shown) => {
    const status = Schema.decodeUnknownSync(ServiceStatus)(text)
    expect(operatingStatusOf("Active", { status, heartbeatAt: 0 }, 0)).toBe(shown)
  })

  it("is one of Trove's words, and of no others", () => {
    expect([...ServiceStatus.literals].sort()).toEqual(Object.keys(shownAs).sort())
    expect(refused("heartbeat", { instance_id, payload: { service_status: "HEALTHY" } })).toBe(true)
  })
})

describe("a report", () => {
  const notification = { instance_id }

  it("says less, or more, than is known, and is heard", () => {
    const beat = { instance_id, payload: { service_status: "healthy", mood: "good" }, weather: "fine" }
    expect(heard("heartbeat", beat)).toEqual(Exit.succeed({ instance_id, payload: { service_status: "healthy" } }))
    const backup = { instance_id, backup_id: "b", sent: 1, state: null, size: null, surprise: [1] }
    const known = { instance_id, backup_id: "b", sent: 1, state: null, size: null }
    expect(heard("update_backup", backup)).toEqual(Exit.succeed(known))
    expect(heard("report_root", { instance_id, user: null })).toMatchObject({ _tag: "Success" })
  })

  it("whose text is longer than is heard is cut, on one line and well-formed", () => {
    const long = `${"x".repeat(maxReportLength - 1)}😀 and more`
    const told = (method: string, args: unknown) => JSON.stringify(heard(method, args))
    const failure = { serialized_notification: notification, message: `one\ntwo\0${long}`, exception: ["a\n", long] }
    const text = told("notify_exc_info", failure)
    expect(text).toContain("one two xxx")
    expect(text).not.toContain("and more")
    for (const line of [reportable(long), reportable("\ud800")]) {
      expect(line.length).toBeLessThanOrEqual(maxReportLength)
      expect(line.isWellFormed()).toBe(true)
    }
    const trace = { ...failure, exception: Array.from({ length: 5000 }, () => "line") }
    expect(told("notify_exc_info", trace).length).toBeLessThan(10_000)
  })

  it.effect("of ours is heard as it was meant", () =>
    Effect.gen(function* () {
      const schema = codec("heartbeat")
      const beat = { instance_id, payload: { service_status: "building", progress: "pulling" }, sent: 1.5 }
      const sent = yield* Schema.encodeUnknownEffect(schema)(beat)
      expect(yield* Schema.decodeUnknownEffect(schema)(sent)).toEqual(beat)
    })
  )

  const unfit: ReadonlyArray<readonly [string, string, unknown]> = [
    ["of no instance", "heartbeat", { payload: { service_status: "healthy" } }],
    ["of an endless instance", "heartbeat", { instance_id: "x".repeat(37), payload: { service_status: "healthy" } }],
    ["of another century", "heartbeat", { instance_id, payload: { service_status: "healthy" }, sent: 9e9 }],
    ["of no number", "heartbeat", { instance_id, payload: { service_status: "healthy" }, sent: "NaN" }],
    ["of a backup in no known state", "update_backup", { instance_id, backup_id: "b", sent: 1, state: "FINE" }],
    ["of a backup that is a path", "update_backup", { instance_id, backup_id: "../b", sent: 1 }],
    ["of an endless backup", "update_backup", { instance_id, backup_id: "b".repeat(37), sent: 1 }],
    ["of a backup without a size", "update_backup", { instance_id, backup_id: "b", sent: 1, size: "Infinity" }],
    ["of a host that is a path", "host_report", { name: "a/b", addresses: "10.0.0.0/8", memory_mb: 1, sent: 1 }],
    ["of a host without a network", "host_report", { name: "a", addresses: "here", memory_mb: 1, sent: 1 }],
    ["of a host of no size", "host_report", { name: "a", addresses: "10.0.0.0/8", memory_mb: -1, sent: 1 }]
  ]
  it.each(unfit)("%s is refused", (_, method, args) => {
    expect(refused(method, args)).toBe(true)
  })
})
