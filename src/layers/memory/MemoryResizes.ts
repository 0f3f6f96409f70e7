/** Resizes that are asked for, in memory: the part of MemoryStore that is the twin of PgResizes. */
import { Clock, Effect } from "effect"
import type { ProjectId } from "../../services/Ids.ts"
import { QuotaExceeded } from "../../services/Instances.ts"
import { exceededBy, type Usage } from "../../services/Quotas.ts"
import { moreOf, Resizes } from "../../services/Resizes.ts"
import { isInService, type ShownState } from "../../services/Status.ts"
import { isAsked, type MemoryRows, type Rows } from "./MemoryRows.ts"

/** What the rest of the store tells of an instance, as it is shown, and of its project. */
interface Beside {
  readonly shownAs: (row: Rows) => ShownState
  readonly usage: (project: ProjectId) => ReadonlyArray<Usage>
}

export const makeMemoryResizes = ({ letter, rows }: MemoryRows, { shownAs, usage }: Beside) =>
  Resizes.of({
    request: Effect.fnUntraced(function* (id, seen, target) {
      const now = yield* Clock.currentTimeMillis
      const row = rows.get(id)
      if (row === undefined || isAsked(row) || !isInService(shownAs(row))) return false
      if (row.desired.flavor !== seen.flavor || row.desired.volumeSize !== seen.volumeSize) return false
      const more = moreOf(row.desired, target)
      const exceeded = exceededBy(usage(row.desired.project), { instances: 0, backups: 0, ...more })
      if (exceeded.length > 0) return yield* new QuotaExceeded({ resources: exceeded })
      row.more = more
      row.desired = { ...row.desired, updated: now }
      letter(row, `resize:${row.generation}`, { _tag: "Resize", to: target }, now)
      return true
    })
  })
