/** Configuration groups in memory: the part of MemoryStore that is the twin of PgConfigurations. */
import { Clock, Effect, Option } from "effect"
import type { Command, State } from "../../actors/Instance.ts"
import {
  type Applied,
  type ConfigurationGroup,
  Configurations,
  nothingApplied
} from "../../services/configuration/Configurations.ts"
import type { Desired } from "../../services/Instances.ts"

/** What the rest of the store holds of an instance. */
export interface ConfiguredInstance {
  readonly desired: Desired
  readonly state: State
  readonly deleteRequested: boolean
  /** Or a resize. */
  readonly restartRequested: boolean
  readonly touch: (now: number) => void
  readonly post: (command: Command, now: number) => void
}

const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1)

const pageOf = <A extends { readonly id: string }>(
  all: ReadonlyArray<A>,
  { limit, marker }: { readonly limit: number; readonly marker: string | null }
) => {
  const after = all.filter(({ id }) => id > (marker ?? "")).toSorted(byId)
  const items = after.slice(0, limit)
  return { items, next: after.length > limit ? (items.at(-1)?.id ?? null) : null }
}

const isOpen = ({ deleteRequested, restartRequested, state }: ConfiguredInstance) =>
  !deleteRequested &&
  !restartRequested &&
  (state._tag === "Active" ||
    (state._tag === "Configuring" && state.restart !== true && state.stop !== true && state.resize === undefined) ||
    state._tag === "Stopped")

const hears: ReadonlyArray<State["_tag"]> = [
  "Building",
  "Active",
  "Restarting",
  "Configuring",
  "Resizing",
  "Stopping",
  "Stopped",
  "Starting",
  "Upgrading",
  "Rebuilding",
  "Failed"
]

export const makeMemoryConfigurations = (find: (instance: string) => ConfiguredInstance | undefined) => {
  const groups = new Map<string, ConfigurationGroup>()
  const attached = new Map<string, string>()
  const reached = new Map<string, Applied>()

  const attachments = (id: string) =>
    [...attached].flatMap(([instance, group]) => {
      const found = group === id ? find(instance) : undefined
      return found === undefined ? [] : [found]
    })

  const groupOf = (instance: string) => groups.get(attached.get(instance) ?? "")

  const configurations = Configurations.of({
    create: (group) => Effect.sync(() => void groups.set(group.id, group)),
    get: (scope, id) =>
      Effect.sync(() =>
        Option.filter(
          Option.fromNullishOr(groups.get(id)),
          ({ project }) => scope === "any" || project === scope.project
        )
      ),
    list: (scope, page) =>
      Effect.sync(() =>
        pageOf(
          [...groups.values()].filter(({ project }) => scope === "any" || project === scope.project),
          page
        )
      ),
    countInstances: (id) => Effect.sync(() => attachments(id).length),
    instances: (id, page) =>
      Effect.sync(() =>
        pageOf(
          attachments(id).map(({ desired: { id, name } }) => ({ id, name })),
          page
        )
      ),
    update: Effect.fnUntraced(function* (id, change) {
      const now = yield* Clock.currentTimeMillis
      const before = groups.get(id)
      if (before === undefined) return []
      groups.set(id, {
        ...before,
        name: change.name ?? before.name,
        description: change.description ?? before.description,
        values: change.values(before.values),
        revision: before.revision + 1,
        updated: now
      })
      const told = attachments(id).filter(
        ({ deleteRequested, state }) => !deleteRequested && hears.includes(state._tag)
      )
      for (const one of told) one.post({ _tag: "Configure" }, now)
      return told.map(({ desired }) => desired.id).toSorted()
    }),
    remove: (id) =>
      Effect.sync(() => {
        if (attachments(id).length > 0) return "attached"
        return groups.delete(id) ? "removed" : "missing"
      }),
    attach: Effect.fnUntraced(function* (instance, id) {
      const now = yield* Clock.currentTimeMillis
      const found = find(instance)
      if (found === undefined || !isOpen(found)) return false
      if (id === null ? !attached.has(instance) : attached.has(instance) || !groups.has(id)) return false
      if (id === null) attached.delete(instance)
      else {
        attached.set(instance, id)
        reached.set(instance, { ...(reached.get(instance) ?? nothingApplied), refused: null })
      }
      found.touch(now)
      found.post({ _tag: "Configure" }, now)
      return true
    }),
    attachedTo: (instance) => Effect.sync(() => Option.fromNullishOr(groupOf(instance))),
    applied: (instance) => Effect.sync(() => reached.get(instance) ?? nothingApplied),
    setApplied: (instance, applied) => Effect.sync(() => void reached.set(instance, applied))
  })

  return {
    configurations,
    /** Whether there is a group of that version. */
    isOf: (version: string) => [...groups.values()].some(({ datastoreVersion }) => datastoreVersion === version),
    /** With the order of an instance; a group that is gone is attached to nothing. */
    attachNew: (instance: string, id: string) => {
      if (groups.has(id)) attached.set(instance, id)
    },
    /** As an instance shows it. */
    shown: (instance: string) => {
      const group = groupOf(instance)
      if (group === undefined) return null
      const refused = reached.get(instance)?.refused ?? null
      const isRefused = refused?.configuration === group.id && refused.revision === group.revision
      return { id: group.id, name: group.name, notApplied: isRefused ? refused.reason : null }
    },
    versionOf: (instance: string) => groupOf(instance)?.datastoreVersion ?? null,
    detach: (instance: string) => void attached.delete(instance),
    forget: (instance: string) => {
      attached.delete(instance)
      reached.delete(instance)
    }
  }
}

export type MemoryGroups = ReturnType<typeof makeMemoryConfigurations>
