/**
 * When a fault is over: every process is healthy, what was under way has moved, every database that was in service
 * answers its client with what was written into it, and an order that is given now is served.
 */
import { Client } from "./Client.ts"
import { sleep } from "./Fault.ts"
import { type Step, standing, steps } from "./Findings.ts"
import type { Fleet } from "./Fleet.ts"
import { type Entry, readBack } from "./Ledger.ts"
import type { Tenants } from "./Tenants.ts"
import { errorText } from "./wording.ts"

const recoverWithin = 240_000
const poll = 200

type Question = () => Promise<string | null>

/** Asked until it says that all is well, and then no more. */
const until = async (question: Question, deadline: number): Promise<string | null> => {
  for (;;) {
    const wrong = await question().catch(errorText)
    if (wrong === null || Date.now() > deadline) return wrong
    await sleep(poll)
  }
}

const areHealthy =
  ({ members }: Fleet): Question =>
  async () => {
    const told = await Promise.all(members.map(async (member) => ((await member.isHealthy()) ? null : member.name)))
    const ill = told.filter((name) => name !== null)
    return ill.length === 0 ? null : `not healthy: ${ill.join(", ")}`
  }

const moves =
  (fleet: Fleet, before: ReadonlyArray<Step>): Question =>
  async () => {
    const [still] = standing(before, await steps(fleet))
    return still === undefined ? null : `"${still.step}" of ${still.instance} does not move`
  }

const answer = (served: ReadonlyArray<Entry>): Question => {
  const waiting = new Set(served)
  return async () => {
    for (const entry of waiting) {
      // Whoever deletes it meanwhile does not want it to answer.
      if (entry.isDeleted || entry.fault !== null) waiting.delete(entry)
      else {
        const wrong = await readBack(entry).catch(errorText)
        if (wrong !== null && !entry.isDeleted) return `the database of ${entry.name}: ${wrong}`
        waiting.delete(entry)
      }
    }
    return null
  }
}

/** An order from the first word to a database that serves, given again while nobody takes it. */
const probe = (fleet: Fleet, name: string): Question => {
  const client = new Client(fleet.apis, "probe", fleet.tokens.get("probe") ?? "")
  let isOrdered = false
  return async () => {
    const found = await client.named(name)
    if (found === null) return "no API answers"
    if (found === undefined) {
      if (isOrdered) return "the probe is not there"
      isOrdered = (await client.create(name)).outcome === "accepted"
      return "the probe is not accepted"
    }
    if (found.status === "ERROR") return `the probe failed: ${found.fault?.message}`
    if (found.status !== "ACTIVE" || found.operating_status !== "HEALTHY") return `the probe is ${found.status}`
    await client.remove(found.id)
    return null
  }
}

export interface Recovered {
  /** In milliseconds from the end of the fault. */
  readonly after: number
  /** What did not come back. */
  readonly lost: ReadonlyArray<string>
}

let probes = 0

export const recover = async (
  fleet: Fleet,
  { living }: Tenants,
  before: ReadonlyArray<Step>,
  over: number
): Promise<Recovered> => {
  const deadline = Date.now() + recoverWithin
  probes += 1
  const served = living.filter(({ row }) => row !== null)
  const questions = [areHealthy(fleet), moves(fleet, before), answer(served), probe(fleet, `probe-${probes}`)]
  const wrong = await Promise.all(questions.map((question) => until(question, deadline)))
  return {
    after: performance.now() - over,
    lost: wrong.flatMap((found) =>
      found === null ? [] : [`did not recover within ${recoverWithin / 1000} s: ${found}`]
    )
  }
}
