/** The part of the driver `pg` that the tests use; the package brings no types. */
declare module "pg" {
  export class Client {
    constructor(options: { readonly connectionString: string; readonly connectionTimeoutMillis?: number })
    connect(): Promise<void>
    query(sql: string): Promise<{ readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>> }>
    end(): Promise<void>
    on(event: "error", listener: (error: Error) => void): this
  }
}
