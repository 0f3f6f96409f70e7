/** What the service stands on ends: the broker, its database, the container engine; and a tenant's database. */

import { join } from "node:path"
import { processOn } from "../../../src/layers/embedded/HostProcess.ts"
import { findServer } from "../../../src/layers/embedded/PostgresServer.ts"
import { eventually } from "../../e2e/api.ts"
import { type Fault, missingOf, possible, sleep } from "../Fault.ts"

const away = 20_000

const brokerKilled: Fault = {
  kind: "broker killed",
  obstacle: possible,
  strike: async ({ fleet, strikes }) => {
    await strikes()
    await fleet.killBroker()
    const over = performance.now()
    await fleet.startBroker()
    return { what: `back after ${((performance.now() - over) / 1000).toFixed(1)} s`, over }
  }
}

const brokerAway: Fault = {
  kind: "broker away for 20 s",
  obstacle: possible,
  strike: async ({ fleet, strikes }) => {
    await strikes()
    await fleet.stopBroker()
    await sleep(away)
    await fleet.startBroker()
    return { what: "stopped in good order, and started", over: performance.now() }
  }
}

/** As a crash of the machine it runs on: no checkpoint, no farewell. It is started again by whoever watches it. */
const databaseKilled: Fault = {
  kind: "PostgreSQL killed",
  obstacle: possible,
  strike: async ({ fleet, strikes }) => {
    const data = join(fleet.controlData, "control/data")
    const server = findServer(data)
    if (server === null) throw new Error("there is no PostgreSQL to kill")
    await strikes()
    process.kill(server.pid, "SIGQUIT")
    const over = performance.now()
    await eventually("PostgreSQL serves again", async () =>
      findServer(data)?.pid !== server.pid && (await fleet.sql("SELECT 1").catch(() => null)) !== null ? true : null
    )
    return { what: `back after ${((performance.now() - over) / 1000).toFixed(1)} s`, over }
  }
}

const engineRestarted: Fault = {
  kind: "Docker killed",
  obstacle: ({ engine }) => missingOf(engine),
  strike: async ({ fleet: { engine }, strikes }) => {
    if ("missing" in engine) throw new Error(engine.missing)
    const containers = await engine.containers()
    await strikes()
    await engine.kill()
    await engine.start()
    return { what: `with ${containers.length} containers`, over: performance.now() }
  }
}

const tenantsDatabaseKilled: Fault = {
  kind: "a tenant's database killed",
  obstacle: possible,
  strike: async ({ dice, fleet, strikes, tenants }) => {
    const running = tenants.living.flatMap(({ id, name, row }) =>
      fleet.hosts.flatMap(({ data }) => {
        const pid = id === null || row === null ? null : processOn(join(data, "instances", id, "volume/data"))
        return pid === null ? [] : [{ name, pid }]
      })
    )
    if (running.length === 0) throw new Error("no tenant has a database that runs as a process")
    const { name, pid } = dice.pick(running)
    await strikes()
    process.kill(pid, "SIGKILL")
    return { what: name, over: performance.now() }
  }
}

export const servers: ReadonlyArray<Fault> = [
  brokerKilled,
  brokerAway,
  databaseKilled,
  engineRestarted,
  tenantsDatabaseKilled
]
