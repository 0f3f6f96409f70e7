/** What an administrator sees of the store in memory: the part of MemoryStore that is the twin of PgAllInstances. */
import { Effect, Option } from "effect"
import { AllInstances, type ManagedInstance, type Wanted } from "../../services/AllInstances.ts"

const isWanted =
  ({ deleted, project }: Wanted) =>
  ({ record }: ManagedInstance) =>
    (project === null || record.desired.project === project) &&
    (deleted === null || (record.state === "Deleted") === deleted)

const idOf = ({ record }: ManagedInstance) => record.desired.id

export const makeMemoryAllInstances = (all: () => ReadonlyArray<ManagedInstance>): AllInstances["Service"] =>
  AllInstances.of({
    list: (wanted, { limit, marker }) =>
      Effect.sync(() => {
        const after = all()
          .filter(isWanted(wanted))
          .filter((one) => idOf(one) > (marker ?? ""))
          .toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
        const items = after.slice(0, limit)
        const last = items.at(-1)
        return { items, next: after.length > limit && last !== undefined ? idOf(last) : null }
      }),
    get: (id) => Effect.sync(() => Option.fromNullishOr(all().find((one) => idOf(one) === id)))
  })
