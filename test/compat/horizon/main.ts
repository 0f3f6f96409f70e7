/**
 * `npm run horizon`: OpenStack's dashboard with Trove's panels, as Debian has them, before a Keystone and a service of
 * their own; visits.py goes through the pages as a person does. Not among the tests, for its packages and what they need
 * take longer to be there than all that it shows.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { newService } from "../../e2e/service.ts"
import { Keystone, missingKeystone, passwordOf } from "../../interop/keystone/keystone.ts"
import { dashboard, debianPython, ensurePackages } from "../../support/packages.ts"
import { cloudWith } from "./cloud.ts"

const missing = missingKeystone ?? (await ensurePackages(dashboard))
if (missing !== null) {
  console.error(`horizon: ${missing}`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), "coffer-horizon-"))
const keystone = new Keystone()
const service = await newService({ runtime: "process" })
const cloud = await cloudWith(service)

/** Whether all of a part went as it says. */
const visits = (part: string, environment: Readonly<Record<string, string>>) =>
  new Promise<boolean>((resolve) => {
    const env = { ...environment, PATH: process.env["PATH"], PYTHONPATH: import.meta.dirname, PYTHONWARNINGS: "ignore" }
    const child = spawn(debianPython, ["-B", join(import.meta.dirname, "visits.py"), part], { env, stdio: "inherit" })
    child.once("exit", (code) => resolve(code === 0))
  })

try {
  const server = await keystone.server()
  await keystone.prepare(server.url)
  await Promise.all([server.start(), service.start()])
  const project = await keystone.project(server, "shop")
  await keystone.user(server, "ann", "member", project)
  await keystone.register(server, `${service.url}/v1.0/%(tenant_id)s`)
  const environment = {
    DJANGO_SETTINGS_MODULE: "dashboard_settings",
    DASHBOARD_FOLDER: folder,
    OS_AUTH_URL: server.url,
    OS_USERNAME: "ann",
    OS_PASSWORD: passwordOf("ann"),
    OS_ENDPOINT: `${service.url}/v1.0/${project}`
  }
  const isWellAlone = await visits("alone", environment)
  await keystone.register(server, cloud.url, { name: "nova", type: "compute" })
  await keystone.register(server, `${cloud.url}/v3/%(tenant_id)s`, { name: "cinder", type: "volumev3" })
  const isWell = await visits("in-a-cloud", environment)
  process.exitCode = isWellAlone && isWell ? 0 : 1
} finally {
  cloud.close()
  await service.dispose()
  await keystone.dispose()
  rmSync(folder, { recursive: true, force: true })
}
