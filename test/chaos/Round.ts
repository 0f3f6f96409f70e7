/** One fault under load from its beginning to its end, and the end of everything. */
import type { Dice } from "../simulation/Dice.ts"
import { Client } from "./Client.ts"
import { type Fault, type Scene, type Struck, sleep } from "./Fault.ts"
import { audit, failedRestarts, lastLine, leftBehind, type Step, settle, steps } from "./Findings.ts"
import type { Fleet } from "./Fleet.ts"
import { recover } from "./Recovery.ts"
import type { Tenants } from "./Tenants.ts"
import { errorText } from "./wording.ts"

/** How long tenants work before a fault, in milliseconds. */
const warmUp = [1000, 3000] as const
const goneWithin = 180_000

export interface Result {
  readonly kind: string
  readonly what: string
  /** Until all moved again, in milliseconds; null where the fault did not come about. */
  readonly recovered: number | null
  readonly lost: ReadonlyArray<string>
  readonly failed: ReadonlyArray<string>
  readonly left: ReadonlyArray<string>
}

const populateWithin = 20_000

/** Tenants have something to lose. */
export const populate = async (tenants: Tenants) => {
  tenants.begin()
  const served = () => tenants.living.filter(({ row }) => row !== null).length
  for (const deadline = Date.now() + populateWithin; served() < 2 && Date.now() < deadline; ) await sleep(250)
  await tenants.rest()
}

/** An audit takes its seconds: who looks once at the end can do without. */
export const runFault = async (
  fleet: Fleet,
  tenants: Tenants,
  dice: Dice,
  fault: Fault,
  isAudited = true
): Promise<Result> => {
  let before: ReadonlyArray<Step> = []
  const from = await lastLine(fleet)
  const scene: Scene = {
    fleet,
    tenants,
    dice,
    strikes: async () => {
      before = await steps(fleet)
    }
  }
  fleet.mark(fault.kind)
  tenants.begin()
  await sleep(dice.between(...warmUp))
  let struck: Struck
  try {
    struck = await fault.strike(scene)
  } catch (error) {
    await tenants.rest()
    return {
      kind: fault.kind,
      what: `did not come about: ${errorText(error)}`,
      recovered: null,
      lost: [],
      failed: [],
      left: []
    }
  }
  fleet.mark(`${fault.kind}, ${struck.what}: over`)
  const { after, lost } = await recover(fleet, tenants, before, struck.over)
  await tenants.rest()
  const settled = await settle(fleet, tenants, before)
  const restarts = await failedRestarts(fleet, from)
  // What failed is told; now it goes, so that it is not told again.
  for (const entry of tenants.entries.filter(({ fault }) => fault !== null)) await tenants.remove(entry)
  return {
    kind: fault.kind,
    what: struck.what,
    recovered: lost.length === 0 ? after : null,
    lost: [...(struck.lost ?? []), ...lost, ...settled.lost],
    failed: [...settled.failed, ...restarts],
    left: isAudited ? await audit(fleet) : []
  }
}

/** Everything is deleted, whoever ordered it; then nothing may be there. */
export const cleanUp = async (fleet: Fleet): Promise<Result> => {
  const lost: Array<string> = []
  for (const [project, token] of fleet.tokens) {
    const client = new Client(fleet.apis, project, token)
    for (const deadline = Date.now() + goneWithin; ; await sleep(500)) {
      const all = await client.all()
      if (all !== null && all.length === 0) break
      if (Date.now() > deadline) {
        lost.push(...(all ?? []).map(({ id, status }) => `${id} was deleted, and is ${status} still`))
        break
      }
      for (const { id, status } of all ?? []) if (status !== "SHUTDOWN") await client.remove(id)
    }
  }
  return { kind: "all deleted", what: "", recovered: null, lost, failed: [], left: await leftBehind(fleet) }
}
