/**
 * One process of each role is killed, stands still, or is told to stop, at the moment when a chosen step of an operation
 * is begun or done. Of taskmanagers it is the one that runs the step.
 */
import { Duration } from "effect"
import { lease } from "../../../src/layers/cluster/Lease.ts"
import { type Role, roles } from "../../../src/layers/config/Configuration.ts"
import { type Fault, possible, type Scene, sleep } from "../Fault.ts"
import * as Gate from "../Gate.ts"
import type { Member } from "../Member.ts"

/** How long it stands still. */
const stillness = Duration.toMillis(lease) + 10_000
/** Something comes by the chosen step within this; what was ordered for it may wait for what was before it. */
const heldWithin = 20_000
const tries = 6

interface Caught {
  readonly victim: Member
  readonly where: string
  readonly open: () => Promise<void>
}

/** Holds an operation at a step of the dice's choice, and gives whom it meets there. */
const atStep = async ({ dice, fleet, tenants }: Scene, role: Role): Promise<Caught> => {
  for (let n = 0; n < tries; n++) {
    const label = dice.pick(Gate.labels)
    const armed = await Gate.arm(fleet.databaseUrl, label)
    try {
      await tenants.provoke(label, dice)
      const session = await armed.held(heldWithin)
      const holder = fleet.taskmanagerOf(session)
      const where = `${label.side} "${label.step}" of a ${label.by}`
      if (role !== "taskmanager") return { victim: dice.pick(fleet.of(role)), where, open: armed.open }
      if (holder !== null) return { victim: holder, where, open: armed.open }
      await armed.open()
    } catch {
      // Nothing came by: the next step, then.
      await armed.open()
    }
  }
  throw new Error("no operation came by any step")
}

const kill = (role: Role): Fault => ({
  kind: `${role} killed`,
  obstacle: possible,
  strike: async (scene) => {
    const { open, victim, where } = await atStep(scene, role)
    await scene.strikes()
    await victim.kill()
    const over = performance.now()
    await open()
    return { what: `${victim.name}, ${where}`, over }
  }
})

const freeze = (role: Role): Fault => ({
  kind: `${role} frozen`,
  obstacle: possible,
  strike: async (scene) => {
    const { open, victim, where } = await atStep(scene, role)
    await scene.strikes()
    victim.freeze()
    await open()
    await sleep(stillness)
    victim.thaw()
    return { what: `${victim.name}, ${where}`, over: performance.now() }
  }
})

const stop = (role: Role): Fault => ({
  kind: `${role} stopped`,
  obstacle: possible,
  strike: async (scene) => {
    const { open, victim, where } = await atStep(scene, role)
    await scene.strikes()
    const ending = victim.stop()
    await open()
    const { code, signal } = await ending
    const over = performance.now()
    const lost = code === 0 ? [] : [`${victim.name} was told to stop, and ended with ${code ?? signal}`]
    return { what: `${victim.name}, ${where}`, over, lost }
  }
})

export const processes: ReadonlyArray<Fault> = [kill, freeze, stop].flatMap((make) => roles.map(make))
