/**
 * What a tenant may ask of configuration groups: checked against what the version's server takes, written, and whoever
 * has to bring it to instances is woken.
 */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { Catalog, type Datastore, type DatastoreVersion, findFlavor, findVersion } from "../Catalog.ts"
import type { InstanceId, ProjectId } from "../Ids.ts"
import {
  type DatastoreNotFound,
  DatastoreVersionNotFound,
  InstanceRequests,
  InvalidRequest,
  NewId,
  versionMeant
} from "../InstanceRequests.ts"
import type { InstanceNotFound, InstanceRecord, Scope } from "../Instances.ts"
import { statusOf, takesGroups } from "../Status.ts"
import { makeWake } from "../Waking.ts"
import { type ConfigurationGroup, Configurations } from "./Configurations.ts"
import { type Parameter, refuseValues, type Values } from "./Parameter.ts"
import { parametersOf } from "./Parameters.ts"
import { flavorSettings } from "./ServerFile.ts"

export class ConfigurationNotFound extends Schema.TaggedError<ConfigurationNotFound>()("ConfigurationNotFound", {
  id: Schema.String
}) {}

export class ParameterNotFound extends Schema.TaggedError<ParameterNotFound>()("ParameterNotFound", {
  name: Schema.String
}) {}

/** A value, or the version as a whole, cannot be set; `message` names the parameter and the rule. */
export class ValuesRefused extends Schema.TaggedError<ValuesRefused>()("ValuesRefused", {
  message: Schema.String
}) {}

export type ConfigurationRefusal =
  | ConfigurationNotFound
  | ParameterNotFound
  | ValuesRefused
  | InvalidRequest
  | DatastoreNotFound
  | DatastoreVersionNotFound
  | InstanceNotFound

/** A group, and how many instances it is attached to. */
export interface CountedGroup {
  readonly group: ConfigurationGroup
  readonly instances: number
}

/** What of a group is to change; `null` stays as it is. */
export interface WantedChange {
  readonly name: string | null
  readonly description: string | null
  readonly values: Values
  /** Whether the values take the place of all that there are, or are added to them. */
  readonly replace: boolean
}

interface WantedGroup {
  readonly name: string
  readonly description: string | null
  readonly values: Values
  /** Names or ids. */
  readonly datastore: {
    readonly type: string | null
    readonly version: string | null
    readonly versionNumber: string | null
  }
}

interface Version {
  readonly datastore: Datastore
  readonly version: DatastoreVersion
}

interface Page {
  readonly limit: number
  readonly marker: string | null
}

const inUse = new InvalidRequest({
  message:
    "A configuration group cannot be deleted if it is associated with one or more non-terminated instances. Detach the configuration group from all non-terminated instances and please try again."
})

const checkValues = ({ datastore, version }: Version, values: Values) => {
  const refusal = refuseValues(`${datastore.name} ${version.name}`, parametersOf(version), values)
  return refusal === null ? Effect.void : Effect.fail(new ValuesRefused({ message: refusal }))
}

const valuesOf =
  ({ replace, values }: WantedChange) =>
  (before: Values): Values =>
    replace ? values : { ...before, ...values }

const stateRefusal = ({ state }: InstanceRecord) =>
  new InvalidRequest({
    message: `The operation you have requested cannot be executed because the instance status is currently: ${statusOf(state)}.`
  })

const make = Effect.gen(function* () {
  const { contents } = yield* Catalog
  const configurations = yield* Configurations
  const instances = yield* InstanceRequests
  const newId = yield* NewId
  const wake = yield* makeWake

  const find = Effect.fnUntraced(function* (scope: Scope, id: string) {
    const found = yield* configurations.get(scope, id)
    return Option.isSome(found) ? found.value : yield* new ConfigurationNotFound({ id })
  })

  const counted = (group: ConfigurationGroup) =>
    Effect.map(configurations.countInstances(group.id), (instances): CountedGroup => ({ group, instances }))

  const create = Effect.fn("ConfigurationRequests.create")(function* (project: ProjectId, wanted: WantedGroup) {
    const found = yield* versionMeant(yield* contents, wanted.datastore)
    yield* checkValues(found, wanted.values)
    const now = yield* Clock.currentTimeMillis
    const group: ConfigurationGroup = {
      id: yield* newId,
      project,
      name: wanted.name,
      description: wanted.description,
      datastoreVersion: found.version.id,
      values: wanted.values,
      revision: 1,
      created: now,
      updated: now
    }
    yield* configurations.create(group)
    return { group, instances: 0 }
  })

  const checkUpdate = Effect.fnUntraced(function* (scope: Scope, id: string, wanted: WantedChange) {
    const group = yield* find(scope, id)
    const found = findVersion(yield* contents, group.datastoreVersion)
    if (found === undefined) return yield* new DatastoreVersionNotFound({ version: group.datastoreVersion })
    yield* checkValues(found, wanted.values)
    return { group, values: valuesOf(wanted)(group.values) }
  })

  const update = Effect.fn("ConfigurationRequests.update")(function* (scope: Scope, id: string, wanted: WantedChange) {
    yield* checkUpdate(scope, id, wanted)
    const { description, name } = wanted
    const told = yield* configurations.update(id, { name, description, values: valuesOf(wanted) })
    yield* Effect.forEach(told, wake, { discard: true })
  })

  const remove = Effect.fn("ConfigurationRequests.remove")(function* (scope: Scope, id: string) {
    yield* find(scope, id)
    const removal = yield* configurations.remove(id)
    if (removal === "missing") return yield* new ConfigurationNotFound({ id })
    if (removal === "attached") return yield* inUse
  })

  /** Whether the group can be attached to an instance of that version at all. */
  const checkFit = Effect.fnUntraced(function* (scope: Scope, id: string, datastoreVersion: string) {
    const group = yield* find(scope, id)
    if (group.datastoreVersion === datastoreVersion) return group
    const message = `Datastore Version on Configuration ${group.datastoreVersion} does not match the Datastore Version on the instance ${datastoreVersion}.`
    return yield* new InvalidRequest({ message })
  })

  const checkAttach = Effect.fnUntraced(function* (scope: Scope, instance: string, id: string) {
    const record = yield* instances.get(scope, instance)
    const { configuration, desired } = record
    // An administrator attaches what the instance's own tenant has.
    const group = yield* checkFit(scope === "any" ? { project: desired.project } : scope, id, desired.datastoreVersion)
    if (configuration !== null)
      return yield* new InvalidRequest({
        message: `Instance ${desired.id} already has a Configuration Group attached: ${configuration.id}.`
      })
    return takesGroups(record.state) ? { record, group } : yield* stateRefusal(record)
  })

  const attach = Effect.fn("ConfigurationRequests.attach")(function* (scope: Scope, instance: string, id: string) {
    const { desired } = (yield* checkAttach(scope, instance, id)).record
    // Somebody may have come first in between.
    if (!(yield* configurations.attach(desired.id, id)))
      return yield* stateRefusal(yield* instances.get(scope, instance))
    yield* wake(desired.id)
  })

  const checkDetach = Effect.fnUntraced(function* (scope: Scope, instance: string) {
    const record = yield* instances.get(scope, instance)
    return record.configuration === null || takesGroups(record.state) ? record : yield* stateRefusal(record)
  })

  const detach = Effect.fn("ConfigurationRequests.detach")(function* (scope: Scope, instance: string) {
    const { configuration, desired } = yield* checkDetach(scope, instance)
    if (configuration === null) return
    if (!(yield* configurations.attach(desired.id, null))) {
      const now = yield* instances.get(scope, instance)
      // Somebody came first.
      return now.configuration === null ? undefined : yield* stateRefusal(now)
    }
    yield* wake(desired.id)
  })

  /** What an instance's server is set to where nobody says otherwise. */
  const defaultsOf = Effect.fnUntraced(function* (scope: Scope, instance: string) {
    const { desired } = yield* instances.get(scope, instance)
    const catalog = yield* contents
    const found = findVersion(catalog, desired.datastoreVersion)
    if (found === undefined) return yield* new DatastoreVersionNotFound({ version: desired.datastoreVersion })
    const defaults = parametersOf(found.version).flatMap(({ default: value, name }) =>
      value === undefined ? [] : [[name, value] as const]
    )
    const memory = findFlavor(catalog, desired.flavor)?.ram ?? desired.ram
    return { ...Object.fromEntries(defaults), ...flavorSettings(found.version.manager, memory) }
  })

  const parameterOf = Effect.fnUntraced(function* (version: DatastoreVersion, name: string) {
    const parameter = parametersOf(version).find((parameter) => parameter.name === name)
    return parameter ?? (yield* new ParameterNotFound({ name }))
  })

  return {
    create,
    update,
    remove,
    attach,
    detach,
    checkAttach,
    checkDetach,
    checkUpdate,
    defaultsOf,
    parameterOf,
    find,
    get: (scope: Scope, id: string) => Effect.flatMap(find(scope, id), counted),
    list: (scope: Scope, page: Page) => configurations.list(scope, page),
    instances: (scope: Scope, id: string, page: Page) =>
      Effect.andThen(find(scope, id), configurations.instances(id, page))
  }
})

type Instances = Effect.Effect<
  {
    readonly items: ReadonlyArray<{ readonly id: InstanceId; readonly name: string }>
    readonly next: string | null
  },
  ConfigurationNotFound
>

export class ConfigurationRequests extends Context.Service<
  ConfigurationRequests,
  {
    readonly create: (project: ProjectId, wanted: WantedGroup) => Effect.Effect<CountedGroup, ConfigurationRefusal>
    readonly get: (scope: Scope, id: string) => Effect.Effect<CountedGroup, ConfigurationNotFound>
    readonly list: (
      scope: Scope,
      page: Page
    ) => Effect.Effect<{ readonly items: ReadonlyArray<ConfigurationGroup>; readonly next: string | null }>
    readonly instances: (scope: Scope, id: string, page: Page) => Instances
    /** It is on its way to every instance that it is attached to, once it is answered. */
    readonly update: (scope: Scope, id: string, wanted: WantedChange) => Effect.Effect<void, ConfigurationRefusal>
    readonly remove: (scope: Scope, id: string) => Effect.Effect<void, ConfigurationRefusal>
    readonly attach: (scope: Scope, instance: string, id: string) => Effect.Effect<void, ConfigurationRefusal>
    /** The group, and what it would hold after the change, if that would be accepted now. */
    readonly checkUpdate: (
      scope: Scope,
      id: string,
      wanted: WantedChange
    ) => Effect.Effect<{ readonly group: ConfigurationGroup; readonly values: Values }, ConfigurationRefusal>
    /** The instance and the group, if the attach would be accepted now. */
    readonly checkAttach: (
      scope: Scope,
      instance: string,
      id: string
    ) => Effect.Effect<{ readonly record: InstanceRecord; readonly group: ConfigurationGroup }, ConfigurationRefusal>
    /** The instance, if the detach would be accepted now. */
    readonly checkDetach: (scope: Scope, instance: string) => Effect.Effect<InstanceRecord, ConfigurationRefusal>
    /** Nothing is done where nothing is attached. */
    readonly detach: (scope: Scope, instance: string) => Effect.Effect<void, ConfigurationRefusal>
    readonly defaultsOf: (scope: Scope, instance: string) => Effect.Effect<Values, ConfigurationRefusal>
    readonly parameterOf: (version: DatastoreVersion, name: string) => Effect.Effect<Parameter, ParameterNotFound>
  }
>()("coffer/services/ConfigurationRequests") {
  /** Over the one that instances are asked of. */
  static readonly layer = Layer.effect(ConfigurationRequests, make)
}
