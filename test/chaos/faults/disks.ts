/** A disk is full for a while: that of a machine with databases, and that of the service's own database. */
import { join } from "node:path"
import { findServer } from "../../../src/layers/embedded/PostgresServer.ts"
import { postgres } from "../../e2e/logins.ts"
import { database, password, user } from "../Client.ts"
import { type Fault, missingOf, sleep } from "../Fault.ts"
import { type Entry, serves } from "../Ledger.ts"

const fullFor = 30_000
const look = 2000
/** How long a database may be told to be healthy at which nobody can log in: its guest looks every so often. */
const lieWithin = 20_000

/** Those on the machine with the small disk. */
const onSmallDisk = (living: ReadonlyArray<Entry>, address: string) =>
  living.filter(({ address: at, row }) => row !== null && at.startsWith(address))

/** The database is asked to take more than there is place for. */
const overfill = ({ address }: Entry) =>
  postgres(
    { user, password, database, address },
    "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 50000)"
  ).then(
    () => "was told that there is place",
    () => null
  )

const guestDiskFull: Fault = {
  kind: "disk of a machine full for 30 s",
  obstacle: ({ guestDisk }) => missingOf(guestDisk),
  strike: async ({ fleet, strikes, tenants }) => {
    const { guestDisk: disk } = fleet
    if ("missing" in disk) throw new Error(disk.missing)
    const network = fleet.linkOf("guestagent")?.databases ?? "127.196.0.0/16"
    const prefix = network.split(".").slice(0, 2).join(".")
    const lost: Array<string> = []
    await strikes()
    disk.fill()
    const there = onSmallDisk(tenants.living, `${prefix}.`)
    const silent = new Map<Entry, number>()
    const told = await Promise.all(there.map(overfill))
    for (const [at, lie] of told.entries()) if (lie !== null) lost.push(`${there[at]?.name} ${lie}`)
    for (const end = Date.now() + fullFor; Date.now() < end; await sleep(look)) {
      disk.fill()
      for (const entry of there) {
        const shown = entry.id === null ? null : await entry.client.show(entry.id)
        const isSaidWell = shown !== null && shown !== "gone" && shown.operating_status === "HEALTHY"
        if (!isSaidWell || (await serves(entry))) silent.delete(entry)
        else silent.set(entry, silent.get(entry) ?? Date.now())
      }
    }
    for (const [{ name }, since] of silent) {
      if (Date.now() - since > lieWithin) lost.push(`${name} is told to be HEALTHY, and nobody can log in`)
    }
    disk.empty()
    const over = performance.now()
    for (const { address } of there) {
      await postgres({ user, password, database, address }, "DROP TABLE IF EXISTS filler").catch(() => null)
    }
    return { what: `with ${there.length} databases`, over, lost }
  }
}

const controlDiskFull: Fault = {
  kind: "disk of PostgreSQL full for 30 s",
  obstacle: ({ controlDisk }) => missingOf(controlDisk),
  strike: async ({ fleet, strikes }) => {
    const { controlDisk: disk } = fleet
    if ("missing" in disk) throw new Error(disk.missing)
    await strikes()
    const data = join(fleet.controlData, "control/data")
    const before = findServer(data)?.pid
    let refused = 0
    for (const end = Date.now() + fullFor; Date.now() < end; await sleep(look)) {
      disk.fill()
      const failed = await fleet
        .sql("CREATE TABLE chaos_filler AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
        .then(
          () =>
            fleet.sql("DROP TABLE chaos_filler").then(
              () => false,
              () => true
            ),
          () => true
        )
      if (failed) refused += 1
    }
    disk.empty()
    const ended = findServer(data)?.pid !== before
    return {
      what: `${refused} writes refused, ${ended ? "and it ended of it" : "and it went on"}`,
      over: performance.now()
    }
  }
}

export const disks: ReadonlyArray<Fault> = [guestDiskFull, controlDiskFull]
