/** Whether an upgrade is under way, for a store in memory: as it is told. */
import { Context, Effect } from "effect"
import { Upgrades } from "../../services/Upgrades.ts"

/** What is told to a store in memory. */
export class Tables extends Context.Service<Tables, { areNewer: boolean }>()("coffer/layers/memory/Tables") {}

export const make = () => {
  const tables = { areNewer: false }
  return Context.make(Tables, tables).pipe(
    Context.add(Upgrades, Upgrades.of({ isUnderWay: Effect.sync(() => tables.areNewer) }))
  )
}
