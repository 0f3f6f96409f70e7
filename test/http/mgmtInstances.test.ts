/** Instances of all projects over HTTP: for administrators alone. */
import { expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { type InstanceId, OperationId } from "../../src/services/Ids.ts"
import { active, adminToken, call, moveTo, operation, order, path, recorded, server } from "./harness.ts"
import { shape } from "./shape.ts"

const token = adminToken
const managed = (rest = "") => path(`/mgmt/instances${rest}`)
const get = (rest = "") => call("GET", managed(rest), { token })
const act = (id: string, body: unknown) => call("POST", managed(`/${id}/action`), { body, token })

const mailOf = Effect.fnUntraced(function* (id: string) {
  const loaded = yield* (yield* Lifecycles).load(id as InstanceId)
  return Option.getOrThrow(loaded).mail.map(({ command }) => command)
})

it.effect("are for administrators, as Trove says it", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    for (const rest of ["", `/${id}`, `/${id}/root`, `/${id}/rpc_ping`]) {
      const { json, status } = yield* call("GET", managed(rest))
      expect([status, json]).toEqual([401, recorded("042").response.body])
    }
    expect((yield* call("POST", managed(`/${id}/action`), { body: { reboot: {} } })).status).toBe(401)
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("are listed by project, and deleted or not, with what Trove tells of them", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const { json } = yield* order({ name: "second" })
    yield* moveTo(json.instance.id, { _tag: "Deleted", at: 1 })
    const idsOf = (rest: string) =>
      Effect.map(get(rest), ({ json }) => json.instances.map((one: { readonly id: string }) => one.id))
    expect(yield* idsOf("?deleted=False")).toEqual([id])
    expect(yield* idsOf("?deleted=true")).toEqual([json.instance.id])
    expect((yield* idsOf("?include_clustered=False")).length).toBe(2)
    expect(yield* idsOf("?project_id=nobody")).toEqual([])
    expect((yield* get("?deleted=perhaps")).status).toBe(400)
    const first = (yield* get("?limit=1")).json
    expect(first.instances).toHaveLength(1)
    const second = yield* get(`?limit=1&marker=${new URL(first.links[0].href).searchParams.get("marker")}`)
    expect(second.json.instances).toHaveLength(1)
    expect("links" in second.json).toBe(false)

    const { json: all } = yield* get("?deleted=false")
    expect(all.instances[0]).toMatchObject({
      service_status: "HEALTHY",
      deleted: false,
      deleted_at: null,
      task_description: "No tasks for the instance."
    })
    const [gone] = (yield* get("?deleted=true")).json.instances
    expect(gone).toMatchObject({ status: "SHUTDOWN", deleted: true, deleted_at: "1970-01-01T00:00:00" })
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("one is shown with its guest and its root, a deleted one where it is asked for", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* call("POST", path(`/instances/${id}/root`))
    const { instance } = (yield* get(`/${id}`)).json
    expect(instance).toMatchObject({
      root_enabled: "1970-01-01T00:00:00",
      volume: { used: 0.12, total: 2 },
      guest_status: { state_description: "healthy" },
      server: null
    })
    const {
      server_id: _,
      volume_id: __,
      encrypted_rpc_messaging: ___,
      ...told
    } = recorded("041").response.body.instance
    const { root_enabled, root_enabled_by, ...ours } = instance
    expect(Object.keys(ours).toSorted()).toEqual(
      Object.keys(told)
        .filter((key) => key !== "ip" && key !== "addresses")
        .toSorted()
    )
    expect(shape(ours.flavor)).toEqual(shape(told.flavor))
    yield* moveTo(id, { _tag: "Deleted", at: 1 })
    expect((yield* get(`/${id}`)).status).toBe(404)
    expect((yield* get(`/${id}?deleted=true`)).json.instance.deleted).toBe(true)
    expect((yield* get("/nosuch")).status).toBe(404)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("tell who enabled root, and whether their guest is there", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    expect((yield* get(`/${id}/root`)).json).toEqual({ root_history: { id, enabled: "Never", user: "Nobody" } })
    yield* call("POST", path(`/instances/${id}/root`))
    expect((yield* get(`/${id}/root`)).json.root_history).toMatchObject({ enabled: "1970-01-01T00:00:00" })
    expect((yield* get(`/${id}/root`)).json.root_history.user).not.toBe("Nobody")
    expect((yield* get(`/${id}/rpc_ping`)).status).toBe(204)
    const { json } = yield* order({ name: "without a guest" })
    expect((yield* get(`/${json.instance.id}/rpc_ping`)).status).toBe(400)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("are rebooted where they can be, and what is under way is called off by a reset", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    expect((yield* act(id, { reboot: {} })).status).toBe(202)
    expect(yield* mailOf(id)).toEqual([{ _tag: "Restart" }])
    expect((yield* act(id, { reboot: {} })).status).toBe(422)

    const { json } = yield* order({ name: "hangs" })
    const hanging: string = json.instance.id
    const building: State = { _tag: "Building", operation, deadline: 60_000 }
    yield* moveTo(hanging, building)
    expect((yield* act(hanging, { "reset-task-status": {} })).status).toBe(202)
    expect(yield* mailOf(hanging)).toEqual([{ _tag: "Cancel", operation, by: expect.any(String) }])
    for (const body of [{}, { reboot: {}, "reset-task-status": {} }, { other: {} }, { reboot: 1 }])
      expect((yield* act(id, body)).status, JSON.stringify(body)).toBe(400)
    const migrating = yield* act(id, { migrate: {} })
    expect([migrating.status, migrating.json.notImplemented.message]).toEqual([
      501,
      "Migrating an instance (migrate) needs its data moved to another machine, which comes with backups: not implemented in Coffer yet."
    ])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("have their server rebuilt from the image that they have, which is named, and nothing else", () =>
  Effect.gen(function* () {
    const { id } = yield* active({ datastore: { type: "postgresql", version: "16" } })
    const version = "5d6c2f1e-0000-4000-8000-000000000016"
    const other = "5d6c2f1e-0000-4000-8000-000000000015"
    for (const rebuild of [
      {},
      { image_id: "" },
      { image_id: 1 },
      { image_id: other },
      { image_id: "x".repeat(256) },
      { image_id: version, force: true }
    ]) {
      const { json, status } = yield* act(id, { rebuild })
      expect([status, json.badRequest.message]).toEqual([400, expect.stringMatching(/image_id|force/)])
    }
    const foreseen = yield* call("POST", managed(`/${id}/action?preview=true`), {
      body: { rebuild: { image_id: version } },
      token
    })
    expect([foreseen.status, foreseen.json.preview.instances]).toMatchObject([
      200,
      [{ id, status_during: "BUILD", restart: true }]
    ])
    expect(yield* mailOf(id)).toEqual([])
    expect((yield* act(id, { rebuild: { image_id: version.toUpperCase() } })).status).toBe(202)
    expect(yield* mailOf(id)).toEqual([{ _tag: "Rebuild" }])
    expect((yield* get(`/${id}`)).json.instance).toMatchObject({
      ...{ status: "BUILD", operating_status: "", task_description: "The instance is building." }
    })
    expect((yield* act(id, { reboot: {} })).status).toBe(422)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("tell of their machine and of their process, by the names that Trove has", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    expect((yield* get(`/${id}/hwinfo`)).json).toEqual({ hwinfo: { mem_total: 524_288, num_cpus: 1 } })
    expect((yield* get(`/${id}/diagnostics`)).json).toEqual({
      diagnostics: {
        ...{ version: "18.1", threads: 2, fdSize: 64 },
        ...{ vmSize: 2048, vmPeak: 4096, vmRss: 1024, vmHwm: 1536 }
      }
    })
    const { json } = yield* order({ name: "without a guest" })
    for (const what of ["hwinfo", "diagnostics"]) {
      expect((yield* get(`/${json.instance.id}/${what}`)).status).toBe(422)
      expect((yield* get(`/nosuch/${what}`)).status).toBe(404)
      expect((yield* call("GET", managed(`/${id}/${what}`))).status).toBe(401)
    }
    const upgrade = yield* call("POST", managed(`/${id}/upgrade`), { body: { upgrade: {} }, token })
    expect([upgrade.status, upgrade.json.notImplemented.message]).toEqual([
      501,
      expect.stringContaining("docs/deploy.md")
    ])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("are deleted as their tenants would", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const remove = (options: object) => call("DELETE", managed(`/${id}`), options)
    expect((yield* remove({})).status).toBe(401)
    expect((yield* remove({ token })).status).toBe(202)
    expect(yield* mailOf(id)).toEqual([{ _tag: "Delete" }])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a tenant resets the status of its own before a delete by force, and no other way", () =>
  Effect.gen(function* () {
    const { json } = yield* order()
    const id: string = json.instance.id
    const removal: State = { _tag: "Building", operation: OperationId.make("build-9"), deadline: 60_000 }
    yield* moveTo(id, removal)
    const reset = (body: unknown, as?: string) =>
      call("POST", path(`/instances/${id}/action`), { body, ...(as === undefined ? {} : { token: as }) })
    const refused = yield* reset({ reset_status: {} })
    expect([refused.status, refused.json.forbidden.message]).toEqual([
      403,
      "Policy doesn't allow instance:reset_status to be performed."
    ])
    expect(yield* mailOf(id)).toEqual([])
    expect((yield* reset({ reset_status: { force_delete: 1 } })).status).toBe(202)
    expect(yield* mailOf(id)).toMatchObject([{ _tag: "Cancel", operation: "build-9" }])
    expect((yield* reset({ reset_status: {} }, token)).status).toBe(202)
    // At rest there is nothing to call off.
    yield* moveTo(id, { _tag: "Active" })
    expect((yield* reset({ reset_status: {} }, token)).status).toBe(202)
    expect(yield* mailOf(id)).toEqual([])
  }).pipe(Effect.provide(server()))
)
