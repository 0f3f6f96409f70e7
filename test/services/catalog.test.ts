/** The catalog as it is offered: what configuration gives, and what administrators changed over it. */
import { describe, expect, it } from "vitest"
import { findOffered, findVersion } from "../../src/services/Catalog.ts"
import { type AddedVersion, type CatalogChanges, nothingChanged } from "../../src/services/catalog/CatalogChanges.ts"
import { overlaid } from "../../src/services/catalog/OfferedCatalog.ts"
import { parametersOf } from "../../src/services/configuration/Parameters.ts"
import { catalog } from "../kit/ControlPlane.ts"

const added: AddedVersion = {
  ...{ id: "v-9", name: "nine", version: "18", manager: "postgresql", image: "postgres:9", active: true },
  datastore: "ds-1"
}
const over = (changes: Partial<CatalogChanges>) => overlaid(catalog, { ...nothingChanged, ...changes })

describe("the catalog over what configuration gives", () => {
  it("is the same where nothing was changed", () => {
    const { retired, ...same } = over({})
    expect(same).toEqual({
      ...catalog,
      datastores: catalog.datastores.map((datastore) => ({ ...datastore, versions: datastore.versions }))
    })
    expect(retired).toEqual([])
  })

  it("has what was added, switched, and chosen", () => {
    const { datastores } = over({ versions: [added], active: { "v-1": false }, defaults: { "ds-1": "v-9" } })
    expect(
      datastores.map(({ defaultVersion, versions }) => [defaultVersion, versions.map(({ active, id }) => [id, active])])
    ).toEqual([
      [
        "v-9",
        [
          ["v-1", false],
          ["v-2", true],
          ["v-9", true]
        ]
      ]
    ])
  })

  it("finds what was deleted a moment ago for who builds it, and for nobody who orders", () => {
    const offer = over({ retired: [{ datastoreName: "postgresql", version: added, at: 0 }] })
    expect(findVersion(offer, "v-9")?.version.image).toBe("postgres:9")
    expect(findOffered(offer, "v-9")).toBeUndefined()
    expect(offer.datastores.flatMap(({ versions }) => versions).map(({ id }) => id)).toEqual(["v-1", "v-2"])
  })

  it("withholds also what a release before let an administrator add", () => {
    const flag = (name: string) => ({ name, type: "boolean", restart: false }) as const
    const changes = { archive_command: flag("archive_command"), "auto_explain.log_wal": flag("auto_explain.log_wal") }
    const [version] =
      over({ versions: [], parameters: { "v-1": { ...changes, work_mem: null } } }).datastores[0]?.versions ?? []
    const names = version === undefined ? [] : parametersOf(version).map(({ name }) => name)
    expect(names).toContain("auto_explain.log_wal")
    expect(names).not.toContain("archive_command")
    expect(names).not.toContain("work_mem")
    expect(names).toEqual(names.toSorted())
  })
})
