/** What the installation of the chaos is told: its tenants, what it offers, and its configuration file. */
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { stringify } from "smol-toml"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import { testImages } from "../images/build.ts"

export const projects = ["ann", "bob", "eve"] as const
export type Project = (typeof projects)[number] | "probe"
const allProjects: ReadonlyArray<Project> = [...projects, "probe"]

const catalog: CatalogContents = {
  flavors: [{ id: "1", name: "db.tiny", ram: 256, vcpus: 1, disk: 5, ephemeral: 0 }],
  datastores: [
    {
      id: "postgresql",
      name: "postgresql",
      defaultVersion: "pg",
      versions: [
        // Containers have what their image brings; processes what is installed, which is this.
        { id: "pg", name: "18", version: "18", manager: "postgresql", image: testImages.postgresql, active: true }
      ]
    }
  ],
  defaultDatastore: "postgresql"
}

/** One for each project, by which it is known. */
export const drawTokens = (): ReadonlyMap<Project, string> =>
  new Map(allProjects.map((project) => [project, randomBytes(24).toString("base64url")]))

interface Ways {
  readonly folder: string
  readonly file: string
  readonly databaseUrl: string
  readonly brokerUrl: string
  readonly managementUrl: string
  /** How guests reach the broker, where that is another way. */
  readonly guestUrl: string | null
  readonly tokens: ReadonlyMap<Project, string>
}

export const writeConfiguration = ({ brokerUrl, databaseUrl, file, folder, guestUrl, managementUrl, tokens }: Ways) => {
  const offered = join(folder, "catalog.json")
  writeFileSync(offered, JSON.stringify(catalog))
  const tables = {
    database: { url: databaseUrl },
    broker: {
      urls: [brokerUrl],
      management_url: managementUrl,
      ...(guestUrl === null ? {} : { guest_urls: [guestUrl] })
    },
    secrets: { key: randomBytes(32).toString("base64") },
    api: {
      allowed_hosts: ["*"],
      rate_limit: 1_000_000,
      tokens: [...tokens].map(([project, token]) => ({ token, project, user: project, admin: project === "probe" }))
    },
    catalog: { file: offered }
  }
  writeFileSync(file, stringify(tables), { mode: 0o600 })
}
