/** The short form of `npm run chaos`: the faults that cost little, once each, over an installation without a network of its own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Dices from "../simulation/Dice.ts"
import { missingBroker } from "../support/rabbitmq.ts"
import type { Fault } from "./Fault.ts"
import { audit, repeated, type Step, settle, standing } from "./Findings.ts"
import { Fleet } from "./Fleet.ts"
import { processes } from "./faults/processes.ts"
import { servers } from "./faults/servers.ts"
import { cleanUp, populate, runFault } from "./Round.ts"
import { Tenants } from "./Tenants.ts"

const seed = 1
const cheap = ["taskmanager killed", "PostgreSQL killed", "a tenant's database killed"]
const faults: ReadonlyArray<Fault> = [...processes, ...servers].filter(({ kind }) => cheap.includes(kind))

describe("what is looked for", () => {
  const done: Step = { instance: "one", key: "a", step: "create the server", outcome: "done", begun: 1 }
  const running: Step = { instance: "one", key: "b", step: "hand the order to the guest", outcome: "running", begun: 1 }

  it("is a step that was done, and is begun again", () => {
    expect(repeated([done, running], [{ ...done, begun: 2 }, running])).toEqual([
      '"create the server" of one was done, and begun again'
    ])
    // The one in flight may be: nobody knows how far it came.
    expect(repeated([done, running], [done, { ...running, begun: 2 }])).toEqual([])
    expect(repeated([done], [{ ...done, begun: 2 }])).toEqual([])
  })

  it("is a step that stands where it stood", () => {
    expect(standing([done, running], [done, running])).toEqual([running])
    expect(standing([done, running], [done, { ...running, begun: 2 }])).toEqual([])
    expect(standing([done, running], [done, { ...running, outcome: "done" }])).toEqual([])
  })
})

describe.skipIf(missingBroker !== null)(
  `an installation under load${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`,
  () => {
    let fleet: Fleet
    const dice = Dices.make(seed, "faults")
    let tenants: Tenants

    beforeAll(async () => {
      fleet = new Fleet()
      await fleet.start("short", () => {})
      tenants = new Tenants(fleet, seed)
      await populate(tenants)
    }, 180_000)

    afterAll(() => fleet?.dispose(), 90_000)

    it.each(faults)("loses nothing to this: $kind", { timeout: 300_000 }, async (fault) => {
      const { failed, lost, recovered, what } = await runFault(fleet, tenants, dice, fault, false)
      expect({ failed, lost }, `${what}\n${fleet.logs().slice(-20_000)}`).toEqual({ failed: [], lost: [] })
      expect(recovered, what).not.toBeNull()
    })

    it("would tell of what is lost, and of what is left over", { timeout: 300_000 }, async () => {
      const [gone] = tenants.living.filter(({ row }) => row !== null)
      await fleet.sql(`DELETE FROM instances WHERE id = '${gone?.id}'`)
      const { lost } = await settle(fleet, tenants, [])
      expect(lost).toEqual([`${gone?.name} (${gone?.id}): it is gone, and nobody deleted it`])
      expect((await audit(fleet)).toSorted()).toEqual(
        ["home", "login", "process", "queue"].map((resource) => `orphan ${resource} of ${gone?.id}`)
      )
      await fleet.run("audit", "--fix", "--remove-data")
    })

    it("leaves nothing when everything is deleted", { timeout: 240_000 }, async () => {
      const { left, lost } = await cleanUp(fleet)
      expect({ left, lost }).toEqual({ left: [], lost: [] })
    })
  }
)
