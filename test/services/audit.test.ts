/** What an audit finds, by table: what an instance in each state must have, may have, and must not have. */
import { describe, expect, it } from "@effect/vitest"
import {
  type AuditRecord,
  compare,
  confirmed,
  type Found,
  type Look,
  Resource,
  type Sight
} from "../../src/services/Audit.ts"
import { InstanceId, operationId } from "../../src/services/Ids.ts"
import { StateTag } from "../../src/services/Status.ts"

const ann = InstanceId.make("00000000-0000-4000-8000-00000000000a")
const bob = InstanceId.make("00000000-0000-4000-8000-00000000000b")

const record = (changed: Partial<AuditRecord> = {}): AuditRecord => ({
  instance: ann,
  state: "Active",
  since: 500,
  isMoving: false,
  deleteRequested: false,
  leftBehind: false,
  host: "db1",
  operations: [],
  ...changed
})

const server = ["home", "process", "container", "server"] as const
const access = ["login", "queue", "key"] as const
const stored = ["address", "provisioning", "observation", "hold"] as const

const found = (resources: ReadonlyArray<Resource>, instance = ann): ReadonlyArray<Found> =>
  resources.map((resource) => ({ resource, instance, since: null }))

/** All places, of which each holds those of the resources that belong there. */
const looksAt = (all: ReadonlyArray<Found>): ReadonlyArray<Look> => {
  const part = (place: string, host: string | null, covers: ReadonlyArray<Resource>): Look => ({
    place,
    host,
    covers,
    found: all.filter(({ resource }) => covers.includes(resource))
  })
  return [
    part("host db1", "db1", server),
    part("the broker", null, access),
    part("the store", null, stored),
    part("the journal", null, ["journal"])
  ]
}

const sight = (records: ReadonlyArray<AuditRecord>, looks: ReadonlyArray<Look>): Sight => ({
  at: 1000,
  looks,
  unseen: [],
  records: new Map(records.map((record) => [record.instance, record]))
})

const told = (sight: Sight) => compare(sight).map(({ finding, resource }) => `${finding} ${resource}`)

const everything = Resource.literals
const must = ["home", "server", "login", "queue", "key", "address", "hold"] as const

/** What of all that there can be is an orphan, and what is missing where there is nothing. */
const table: Record<
  StateTag,
  { readonly orphans: ReadonlyArray<Resource>; readonly missing: ReadonlyArray<Resource> }
> = {
  New: { orphans: [], missing: ["hold"] },
  Building: { orphans: [], missing: ["hold"] },
  Restarting: { orphans: [], missing: ["hold"] },
  Configuring: { orphans: [], missing: ["hold"] },
  Upgrading: { orphans: [], missing: ["hold"] },
  Resizing: { orphans: [], missing: ["hold"] },
  Stopping: { orphans: [], missing: ["hold"] },
  Stopped: { orphans: ["provisioning"], missing: must },
  Starting: { orphans: [], missing: ["hold"] },
  Rebuilding: { orphans: [], missing: ["hold"] },
  Active: { orphans: ["provisioning"], missing: must },
  Deleting: { orphans: [], missing: ["hold"] },
  // A journal is judged by its operation.
  Deleted: { orphans: everything.filter((resource) => resource !== "journal"), missing: [] },
  Failed: {
    orphans: everything.filter((resource) => !["hold", "provisioning", "journal"].includes(resource)),
    missing: ["hold"]
  }
}

describe("an instance", () => {
  for (const state of StateTag.literals) {
    const { missing, orphans } = table[state]
    it(`that is ${state}, with everything there is`, () => {
      expect(told(sight([record({ state })], looksAt(found(everything))))).toEqual(
        orphans.map((one) => `orphan ${one}`)
      )
    })
    it(`that is ${state}, with nothing`, () => {
      expect(told(sight([record({ state })], looksAt([])))).toEqual(missing.map((one) => `missing ${one}`))
    })
    it(`that is ${state} is not judged while something is under way, or since it has come there`, () => {
      for (const changed of [{ isMoving: true }, { since: 1000 }]) {
        if (state === "Deleted" && "isMoving" in changed) continue
        for (const all of [everything, []]) {
          expect(told(sight([record({ state, ...changed })], looksAt(found(all))))).toEqual([])
        }
      }
    })
  }

  it("that is in a state which only a newer release knows is not judged", () => {
    for (const all of [everything, []]) {
      expect(told(sight([record({ state: "Unknown" })], looksAt(found(all))))).toEqual([])
    }
  })

  it("that nobody knows has nothing", () => {
    expect(told(sight([], looksAt(found(everything))))).toEqual(everything.map((one) => `orphan ${one}`))
  })

  it("that failed keeps what its history says is left behind, and what a failed delete has left", () => {
    for (const changed of [{ leftBehind: true }, { deleteRequested: true }]) {
      const findings = told(sight([record({ state: "Failed", ...changed })], looksAt(found(everything))))
      expect(findings).toEqual("leftBehind" in changed ? [] : ["orphan hold"])
    }
  })

  it("lacks only what was looked for", () => {
    expect(told(sight([record()], []))).toEqual([])
    const covers: ReadonlyArray<Resource> = ["key"]
    expect(told(sight([record()], [{ place: "the broker", host: null, covers, found: [] }]))).toEqual(["missing key"])
  })

  it("is looked for on its own host, and on no other", () => {
    const looks = (host: string, all: ReadonlyArray<Resource>): Look => ({
      place: `host ${host}`,
      host,
      covers: ["home", "process", "container"],
      found: found(all)
    })
    expect(told(sight([record()], [looks("db2", [])]))).toEqual([])
    expect(told(sight([record()], [looks("db1", ["home"]), looks("db2", ["home"])]))).toEqual(["orphan home"])
    // What may be the only copy is left alone.
    expect(told(sight([record()], [looks("db2", ["home"])]))).toEqual([])
    expect(told(sight([record()], [looks("db1", []), looks("db2", ["home"])]))).toEqual(["missing home"])
    expect(told(sight([record({ host: null })], [looks("db2", ["home"])]))).toEqual([])
  })
})

describe("a finding", () => {
  it("says where, whose, since when, and what a fix would do", () => {
    const gone = record({ state: "Deleted", since: 700 })
    const looks: ReadonlyArray<Look> = [
      { place: "host db1", host: "db1", covers: server, found: [{ resource: "home", instance: bob, since: 42 }] },
      { place: "the broker", host: null, covers: access, found: found(["key"]) },
      { place: "the store", host: null, covers: stored, found: found(["address"]) }
    ]
    expect(compare(sight([gone], looks))).toEqual([
      {
        finding: "orphan",
        resource: "key",
        place: "the broker",
        host: null,
        instance: ann,
        state: "Deleted",
        since: 700,
        remedy: "take the guest's access back: its login, its queues, its key",
        holdsData: false
      },
      expect.objectContaining({
        resource: "address",
        host: "db1",
        remedy: "remove whatever is left of the server on db1, then release the address"
      }),
      {
        finding: "orphan",
        resource: "home",
        place: "host db1",
        host: "db1",
        instance: bob,
        state: null,
        since: 42,
        remedy: "remove the server with its data from db1",
        holdsData: true
      }
    ])
  })

  it("of what is missing has a remedy only where it can be made again", () => {
    const remedies = compare(sight([record()], looksAt([]))).map(({ remedy, resource }) => [resource, remedy !== null])
    expect(remedies).toEqual(must.map((resource) => [resource, resource === "login" || resource === "queue"]))
  })

  it("holds data unless its instance is known to be deleted", () => {
    const holding = (records: ReadonlyArray<AuditRecord>) =>
      compare(sight(records, looksAt(found(everything))))
        .filter(({ finding, holdsData }) => finding === "orphan" && holdsData)
        .map(({ resource }) => resource)
    expect(holding([])).toEqual([...server, "address"])
    expect(holding([record({ state: "Failed" })])).toEqual([...server, "address"])
    expect(holding([record({ state: "Deleted" })])).toEqual([])
  })

  it("is a journal that nobody waits for, nor has lately", () => {
    const operation = operationId("restart", "1")
    const journal: Look = {
      place: "the journal",
      host: null,
      covers: ["journal"],
      found: [{ resource: "journal", instance: ann, since: 1, operation }]
    }
    const at = 3_600_000
    const judged = (records: ReadonlyArray<AuditRecord>) => told({ ...sight(records, [journal]), at })
    expect(judged([])).toEqual(["orphan journal"])
    expect(judged([record()])).toEqual(["orphan journal"])
    expect(judged([record({ operations: [operation] })])).toEqual([])
    expect(judged([record({ operations: [operationId("restart", "2")] })])).toEqual(["orphan journal"])
    expect(judged([record({ since: at - 60_000 })])).toEqual([])
  })

  it("counts when it is found both times", () => {
    const first = compare(sight([], looksAt(found(["home", "login"]))))
    const second = compare(sight([], looksAt([...found(["login", "key"]), ...found(["home"], bob)])))
    expect(confirmed(first, second).map(({ resource }) => resource)).toEqual(["login"])
  })
})
