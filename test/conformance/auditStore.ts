/** What every store tells an audit: of each instance where it is, and what is kept for it. */
import { expect, layer } from "@effect/vitest"
import { Clock, Effect, type Layer } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Compute } from "../../src/services/Compute.ts"
import { History, leftBehind } from "../../src/services/History.ts"
import { type InstanceId, operationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { type Audited, AuditStore } from "../../src/services/Inventories.ts"
import { Observations } from "../../src/services/Observations.ts"
import { Placements } from "../../src/services/Placements.ts"
import { ProvisioningStore } from "../../src/services/Provisioning.ts"
import { Quotas } from "../../src/services/Quotas.ts"
import { move } from "./asActor.ts"
import { create, projectOf } from "./asApi.ts"

type Store = AuditStore | Instances | Lifecycles | Observations | History | Placements | ProvisioningStore | Quotas

const anInstance = create({}, { databases: [{ name: "shop" }], users: [] })

const audited = Effect.fnUntraced(function* (id: InstanceId) {
  const all = yield* (yield* AuditStore).all
  const [found]: ReadonlyArray<Audited> = all.filter(({ record }) => record.instance === id)
  return found === undefined ? null : { ...found.record, held: found.held.map(({ resource }) => resource) }
})

const anyHost = Compute.of({
  portOf: () => 5432,
  isFree: () => Effect.succeed(true),
  ensure: () => Effect.void,
  destroy: () => Effect.void
})

const fault = { message: "no", details: null, at: 0 }

export const auditStoreConformance = <E>(name: string, store: Layer.Layer<Store, E>) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("tells what is kept for an instance, from its order to its end", () =>
      Effect.gen(function* () {
        const id = yield* anInstance
        const calm = { deleteRequested: false, leftBehind: false, isMoving: false }
        const held = ["provisioning", "hold"]
        expect(yield* audited(id)).toMatchObject({ ...calm, state: "New", isMoving: true, host: null, held })
        const placement = yield* (yield* Placements)
          .ensure(id, { port: 5432, memoryMb: 512, agent: "coffer", zone: null })
          .pipe(Effect.provideService(Compute, anyHost))
        const now = yield* Clock.currentTimeMillis
        yield* (yield* Observations).record([{ instance: id, status: "healthy", sent: now, receivedAt: now }])
        yield* (yield* ProvisioningStore).forget(id)
        yield* move(id, { _tag: "Active" })
        expect(yield* audited(id)).toMatchObject({
          ...calm,
          state: "Active",
          host: placement.host,
          held: ["address", "observation", "hold"]
        })
        const [of] = (yield* (yield* AuditStore).all).filter(({ record }) => record.instance === id)
        expect(of?.held.map(({ instance, since }) => [instance, since])).toEqual([
          [id, null],
          [id, now],
          [id, null]
        ])
        expect(of?.record.since).toBeGreaterThanOrEqual(now)

        yield* (yield* Instances).requestDelete(id)
        const leaving = { ...calm, isMoving: true, deleteRequested: true, state: "Active" }
        expect(yield* audited(id)).toMatchObject({ ...leaving, held: ["address", "observation"] })
        yield* (yield* Placements).release(id)
        yield* move(id, { _tag: "Deleted", at: now })
        expect(yield* audited(id)).toMatchObject({
          ...calm,
          deleteRequested: true,
          state: "Deleted",
          host: null,
          held: []
        })
      })
    )

    it.effect("tells whether something is under way or has yet to end, and what could not be taken back", () =>
      Effect.gen(function* () {
        const id = yield* anInstance
        const build = operationId("build", "x")
        yield* (yield* History).report(id, "something was left behind: or not")
        yield* move(id, { _tag: "Building", operation: build, deadline: 10 ** 12 })
        expect(yield* audited(id)).toMatchObject({ state: "Building", isMoving: true })
        yield* move(id, { _tag: "Failed", fault, previous: build, again: "build" })
        expect(yield* audited(id)).toMatchObject({ state: "Failed", isMoving: true, leftBehind: false })
        // Struck by a defect, its database may serve on; and who failed under an earlier release did not tell at what.
        for (const struck of [{ again: "service" as const }, {}]) {
          yield* move(id, { _tag: "Failed", fault, previous: null, ...struck })
          expect(yield* audited(id)).toMatchObject({ state: "Failed", isMoving: false, leftBehind: true })
        }
        yield* move(id, { _tag: "Failed", fault, previous: null, again: "build" })
        expect(yield* audited(id)).toMatchObject({ state: "Failed", isMoving: false, leftBehind: false })
        yield* (yield* History).report(id, `${leftBehind}remove the server failed: no`)
        expect(yield* audited(id)).toMatchObject({ state: "Failed", isMoving: false, leftBehind: true })
      })
    )

    it.effect("releases what an instance holds of its quota, twice", () =>
      Effect.gen(function* () {
        const id = yield* anInstance
        const quotas = yield* Quotas
        yield* quotas.release(id)
        yield* quotas.release(id)
        expect((yield* audited(id))?.held).toEqual(["provisioning"])
        const usage = yield* quotas.usage(projectOf(id))
        expect(usage.every(({ inUse, reserved }) => inUse + reserved === 0)).toBe(true)
      })
    )

    it.effect("knows nobody who was forgotten", () =>
      Effect.gen(function* () {
        const id = yield* anInstance
        yield* move(id, { _tag: "Deleted", at: 0 })
        yield* (yield* Lifecycles).prune((yield* Clock.currentTimeMillis) + 1000, 1000)
        expect(yield* audited(id)).toBeNull()
      })
    )
  })
