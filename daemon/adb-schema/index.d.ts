/** A record as ADB gives it. */
export interface AdbRecord<T = object> {
  key: string
  path: string
  url?: string
  seq?: number
  value: T
  /** Whether the value fits the schema. */
  valid?: boolean
}

/** Decides about a record that does not fit: keep it, leave it out, or take the returned fields in place of its own. */
export type OnInvalid<T = object> =
  | 'ignore'
  | 'prune'
  | 'throw'
  | ((record: AdbRecord<T>) => boolean | undefined | Partial<AdbRecord<T>>)

export interface ListOptions<T = object> {
  onInvalid?: OnInvalid<T>
  lt?: string
  lte?: string
  gt?: string
  gte?: string
  limit?: number
  reverse?: boolean
  /** Pages: "" first, then the cursor of each answer, until there is none. */
  cursor?: string
}

/** What a schema needs of a database; those of @atek-cloud/adb-api have it. */
export interface Database {
  list (path: string[], options?: object): Promise<{ records: AdbRecord<any>[], cursor?: string }>
  get (path: string[]): Promise<AdbRecord<any>>
  put (path: string[], value: object): Promise<AdbRecord<any>>
  delete (path: string[]): Promise<void>
}

export declare class ValidationError extends Error {
  code: 'validation-error'
  /** JSON pointer to the part that does not fit. */
  instancePath: string
}

export declare class Table<T extends object = object> {
  readonly path: string[]
  list (options?: ListOptions<T>): Promise<{ records: AdbRecord<T>[], cursor?: string }>
  get (key: string, options?: { onInvalid?: OnInvalid<T> }): Promise<AdbRecord<T> | undefined>
  create (value: T, options?: { onInvalid?: OnInvalid<T> }): Promise<AdbRecord<T> | undefined>
  put (key: string, value: T, options?: { onInvalid?: OnInvalid<T> }): Promise<AdbRecord<T> | undefined>
  delete (key: string): Promise<void>
}

export declare function defineSchema<T extends object = object> (
  path: string | string[],
  options?: { pkey?: string | string[], jsonSchema?: object }
): (db: Database) => Table<T>

export declare function published<T extends object = object> (
  schema: { ID: string, PKEY?: string | string[], DEFINITION?: object }
): (db: Database) => Table<T>

export declare function timeKey (ms: number): string
