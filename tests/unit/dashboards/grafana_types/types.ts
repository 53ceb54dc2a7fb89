// What a dashboard of ours may hold: Grafana 11.6's own types, put together by kind of panel.
//
// dashboard.schema.json was made from this file, without the descriptions:
//
//   npm install @grafana/schema@11.6.0 ts-json-schema-generator@2 typescript@5
//   npx ts-json-schema-generator --path types.ts --type VigieDashboard --no-type-check
//
// (The package's `exports` hide these files; name them below node_modules if your TypeScript minds.)
import type { AnnotationQuery, AnnotationContainer, VariableModel, Dashboard, Panel, RowPanel, FieldConfig, FieldConfigSource, Threshold, ThresholdsConfig } from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as Table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as Ts from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as Bar from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as Line from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
// A threshold's first value is null in JSON, where the type says -Infinity.
type Steps = Omit<ThresholdsConfig,'steps'> & { steps: Array<Omit<Threshold,'value'> & { value: number | null }> };
type Made<T, O, F> = Omit<Panel,'type'|'options'|'fieldConfig'> & {
  type: T; options?: Partial<O>;
  fieldConfig?: Omit<FieldConfigSource,'defaults'> & { defaults: Omit<FieldConfig,'custom'|'thresholds'> & { custom?: Partial<F>; thresholds?: Steps } };
};
export type StatPanel = Made<'stat', Stat.Options, {}>;
export type TablePanel = Made<'table', Table.Options, Table.FieldConfig>;
export type TimeSeriesPanel = Made<'timeseries', Ts.Options, Ts.FieldConfig>;
export type BarChartPanel = Made<'barchart', Bar.Options, Bar.FieldConfig>;
export type StateTimelinePanel = Made<'state-timeline', Line.Options, Line.FieldConfig>;
export type TextPanel = Made<'text', Text.Options, {}>;
// A target is whatever the data source's query is; the published type knows Grafana's own marks alone.
type Mark = Omit<AnnotationQuery,'target'> & { target?: Record<string, unknown> };
// The foundation SDK's builders write these three for every kind of variable.
type Variable = VariableModel & { auto?: boolean; auto_count?: number; auto_min?: string };
export interface VigieDashboard extends Omit<Dashboard,'panels'|'annotations'|'templating'> {
  panels: Array<RowPanel|StatPanel|TablePanel|TimeSeriesPanel|BarChartPanel|StateTimelinePanel|TextPanel>;
  annotations?: Omit<AnnotationContainer,'list'> & { list?: Array<Mark> };
  templating?: { list?: Array<Variable> };
}
