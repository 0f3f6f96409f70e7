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
/** Something comes by the chosen step within this; else it is ordered once more, and then another step is chosen. */
const heldWithin = 7000
const orders = 2
const tries = 6

interface Caught {
  readonly victim: Member
  readonly where: string
  readonly open: () => Promise<void>
}

/** The session that is held there, null when nothing came by. */
const comesBy = async ({ dice, tenants }: Scene, label: Gate.Label, armed: Gate.Armed) => {
  for (let n = 0; n < orders; n++) {
    await tenants.provoke(label, dice)
    const session = await armed.held(heldWithin).catch(() => null)
    if (session !== null) return session
  }
  return null
}

/** Holds an operation at a step of the dice's choice, and gives whom it meets there. */
const atStep = async (scene: Scene, role: Role): Promise<Caught> => {
  const { dice, fleet } = scene
  for (let n = 0; n < tries; n++) {
    const label = dice.pick(Gate.labels)
    const armed = await Gate.arm(fleet.databaseUrl, label)
    const session = await comesBy(scene, label, armed)
    const holder = session === null ? null : fleet.taskmanagerOf(session)
    const where = `${label.side} "${label.step}" of a ${label.by}`
    if (holder !== null && role === "taskmanager") return { victim: holder, where, open: armed.open }
    if (holder !== null) return { victim: dice.pick(fleet.of(role)), where, open: armed.open }
    await armed.open()
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
