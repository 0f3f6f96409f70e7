/**
 * Whether an upgrade is under way: it begins by raising the version of the store's tables, and each release that adds a
 * kind of state, command or operation raises it, if only by an empty migration. What a process cannot read then is
 * nobody's fault: a newer release has written it, and will read it.
 */
import { Context, type Effect } from "effect"

export class Upgrades extends Context.Service<
  Upgrades,
  {
    /** Whether the tables are of a newer release than this process. It costs a statement: ask where something is amiss. */
    readonly isUnderWay: Effect.Effect<boolean>
  }
>()("coffer/services/Upgrades") {}
