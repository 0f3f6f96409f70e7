/** What every fault is: a name in the table, whether this machine can do it, and how it is done. */
import type { Dice } from "../simulation/Dice.ts"
import type { Fleet } from "./Fleet.ts"
import type { Tenants } from "./Tenants.ts"

export interface Scene {
  readonly fleet: Fleet
  readonly tenants: Tenants
  readonly dice: Dice
  /** The operations that are under way now are those that must move again. */
  readonly strikes: () => Promise<void>
}

export interface Struck {
  /** What was done to whom, for whoever reads along. */
  readonly what: string
  /** When it was over, by `performance.now()`: what comes back is counted from here. */
  readonly over: number
  /** What was wrong already. */
  readonly lost?: ReadonlyArray<string>
}

export interface Fault {
  /** A row of the table. */
  readonly kind: string
  /** Why this machine cannot do it; null where it can. */
  readonly obstacle: (fleet: Fleet) => string | null
  readonly strike: (scene: Scene) => Promise<Struck>
}

export const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

export const possible = () => null

export const missingOf = (found: object): string | null =>
  "missing" in found && typeof found.missing === "string" ? found.missing : null
