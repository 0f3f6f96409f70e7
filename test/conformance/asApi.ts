/** What the api does with its store, for suites of stores that only need it done. */
import { Clock, Effect } from "effect"
import { InstanceId, ProjectId } from "../../src/services/Ids.ts"
import { type Desired, Instances } from "../../src/services/Instances.ts"
import type { Provisioning } from "../../src/services/Provisioning.ts"

let drawn = 0
export const uuid = () => `00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`

export const projectOf = (id: InstanceId) => ProjectId.make(`project-${id}`)
export const aProject = () => ProjectId.make(`project-${uuid()}`)

export const nothing: Provisioning = { databases: [], users: [] }

/** Orders an instance of 512 MB and 1 GB, unless told otherwise in a project of its own. */
export const create = Effect.fnUntraced(function* (
  order: Partial<Desired> = {},
  provisioning = nothing,
  configuration: string | null = null
) {
  const now = yield* Clock.currentTimeMillis
  const id = InstanceId.make(uuid())
  const desired: Desired = {
    ...{ id, project: projectOf(id), name: "db", flavor: "1", ram: 512, volumeSize: 1, volumeType: null },
    ...{ datastoreVersion: "v", region: "RegionOne", access: null, created: now, updated: now },
    ...order
  }
  yield* (yield* Instances).create(desired, provisioning, configuration)
  return id
})
