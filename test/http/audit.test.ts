/** The routes of audits: for administrators, answered by a taskmanager. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { AuditReport } from "../../src/services/Audit.ts"
import { AuditApi, auditTopic } from "../../src/services/AuditApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { adminToken, call, path, server } from "./harness.ts"

const id = InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001")

const report = (fix: boolean): AuditReport => ({
  at: Date.UTC(2026, 10, 22, 7, 8, 17),
  looked: ["host db1", "the store"],
  unseen: [{ place: "the broker", reason: "It is away." }],
  findings: [
    {
      finding: "orphan",
      resource: "home",
      place: "host db1",
      host: "db1",
      instance: id,
      state: null,
      since: null,
      remedy: "remove the server with its data from db1",
      holdsData: true,
      outcome: fix ? "done" : null,
      detail: null
    }
  ],
  total: 1
})

const taskmanager = Effect.gen(function* () {
  const asked: Array<object> = []
  yield* (yield* Fabric).serve(auditTopic, AuditApi, {
    audit: (request) =>
      Effect.sync(() => {
        asked.push(request)
        return report(request.fix)
      })
  })
  return asked
})

it.effect("an administrator is told what was found, and has it put right by asking for it", () =>
  Effect.gen(function* () {
    const asked = yield* taskmanager
    const looked = yield* call("GET", path("/mgmt/audit"), { token: adminToken })
    expect([looked.status, looked.json]).toEqual([
      200,
      {
        audit: {
          at: "2026-11-22T07:08:17.000",
          clean: false,
          looked_at: ["host db1", "the store"],
          not_looked_at: [{ place: "the broker", reason: "It is away." }],
          findings: [
            {
              finding: "orphan",
              resource: "home",
              place: "host db1",
              host: "db1",
              instance_id: id,
              state: null,
              since: null,
              remedy: "remove the server with its data from db1",
              holds_data: true,
              outcome: null,
              detail: null
            }
          ],
          total: 1
        }
      }
    ])
    const fixed = yield* call("POST", path("/mgmt/audit"), { token: adminToken, body: { audit: { fix: true } } })
    expect(fixed.json.audit.findings[0].outcome).toBe("done")
    const body = { audit: { fix: true, remove_data: true } }
    expect((yield* call("POST", path("/mgmt/audit"), { token: adminToken, body })).status).toBe(200)
    // Nobody removes data who was not asked to by name.
    expect(asked).toEqual([{ fix: false }, { fix: true }, { fix: true, remove_data: true }])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("nobody else is, and nothing is put right that nobody asked for", () =>
  Effect.gen(function* () {
    const asked = yield* taskmanager
    const refused = [
      ["audit:show", yield* call("GET", path("/mgmt/audit"))],
      ["audit:fix", yield* call("POST", path("/mgmt/audit"), { body: { audit: { fix: true } } })]
    ] as const
    for (const [policy, { json, status }] of refused) {
      expect([status, json]).toEqual([
        403,
        { forbidden: { code: 403, message: `Policy doesn't allow ${policy} to be performed.` } }
      ])
    }
    for (const body of [{}, { audit: {} }, { audit: { fix: false } }, { audit: { fix: "yes" } }]) {
      const { json, status } = yield* call("POST", path("/mgmt/audit"), { token: adminToken, body })
      expect([status, json.badRequest.message]).toEqual([400, expect.stringContaining("audit")])
    }
    expect(asked).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("that no taskmanager answers is said", () =>
  Effect.gen(function* () {
    const { json, status } = yield* call("GET", path("/mgmt/audit"), { token: adminToken })
    expect([status, json.instanceFault.message]).toEqual([500, expect.stringMatching(/^No taskmanager has answered: /)])
  }).pipe(Effect.provide(server()))
)
