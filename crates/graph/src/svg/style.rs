//! Colours, fonts and icons.

use crate::model::NodeKind;

/// The style sheet. Readers that know nothing of dark and light see it light.
pub const STYLE: &str = "
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans',Arial,sans-serif;fill:#0f172a}
.page{fill:#f8fafc}
.heading{font-size:20px;font-weight:700}
.summary{font-size:12px;fill:#64748b}
.warning{fill:#dc2626;font-weight:600}
.column{font-size:10px;font-weight:600;letter-spacing:.08em;fill:#64748b}
.band rect{fill:#f1f5f9;stroke:#e2e8f0}
.band text{font-size:12px;font-weight:600;fill:#475569}
.sensor rect{fill:#ffffff;fill-opacity:.65;stroke:#cbd5e1}
.sensor text{font-size:12px;font-weight:600;fill:#475569}
.face{fill:#ffffff;stroke:#cbd5e1}
.card:hover .face{stroke:currentColor;stroke-width:1.5}
.bus .face{fill:#fbfaff}
.missing .face{fill:#fef2f2;stroke:#ef4444;stroke-dasharray:5 4}
.stripe{fill:currentColor}
.icon{fill:none;stroke:currentColor;stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}
.tag{font-size:10px;font-weight:600;letter-spacing:.05em;fill:currentColor}
.title{font-size:13px;font-weight:600}
.detail{font-size:11px;fill:#64748b}
rect.badge{fill:currentColor;fill-opacity:.12}
text.badge{font-size:10px;fill:#334155}
.wire{fill:none;stroke:#94a3b8;stroke-width:1.5}
.wire.dead-letter,.wire.broken{stroke:#ef4444;stroke-dasharray:5 4}
.wire.broken{stroke-opacity:.75}
.tip{fill:#94a3b8}
.tip.dead-letter,.tip.broken{fill:#ef4444}
.route{fill:none;stroke:currentColor;stroke-width:1.5;stroke-opacity:.4}
.label{font-size:10px;fill:#475569;stroke:#f8fafc;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}
.label.dead-letter{fill:#dc2626}
.legend text{font-size:11px;fill:#64748b}
.source{color:#0284c7}
.event{color:#d97706}
.bus{color:#7c3aed}
.dependency{color:#0d9488}
.condition{color:#db2777}
.trigger{color:#2563eb}
.target{color:#4d7c0f}
.missing{color:#dc2626}
@media (prefers-color-scheme:dark){
text{fill:#e2e8f0}
.page{fill:#0b1120}
.summary,.column,.detail,.legend text{fill:#94a3b8}
.warning,.label.dead-letter{fill:#f87171}
.band rect{fill:#111a2e;stroke:#1e293b}
.band text,.sensor text{fill:#cbd5e1}
.sensor rect{fill:#1e293b;fill-opacity:.45;stroke:#334155}
.face{fill:#172033;stroke:#334155}
.bus .face{fill:#181c38}
.missing .face{fill:#2a1620;stroke:#f87171}
.tag{fill:currentColor}
.route{stroke-opacity:.65}
text.badge{fill:#cbd5e1}
rect.badge{fill-opacity:.22}
.wire{stroke:#64748b}
.tip{fill:#64748b}
.wire.dead-letter,.wire.broken{stroke:#f87171}
.tip.dead-letter,.tip.broken{fill:#f87171}
.label{fill:#cbd5e1;stroke:#0b1120}
.source{color:#38bdf8}
.event{color:#fbbf24}
.bus{color:#a78bfa}
.dependency{color:#2dd4bf}
.condition{color:#f472b6}
.trigger{color:#60a5fa}
.target{color:#a3e635}
.missing{color:#f87171}
}
";

/// The outline of a kind's icon, 16 pixels wide and high.
pub(super) fn icon(kind: NodeKind) -> &'static str {
    match kind {
        // An antenna.
        NodeKind::Source => {
            "M6.5 8a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M4.3 11.7a5.2 5.2 0 0 1 0-7.4M11.7 4.3a5.2 5.2 0 0 1 0 7.4M2 14a8.5 8.5 0 0 1 0-12M14 2a8.5 8.5 0 0 1 0 12"
        }
        // A flash.
        NodeKind::Event => "M9 1.5L3.5 9H8L7 14.5L12.5 7H8z",
        // Lanes.
        NodeKind::Bus => "M1.5 4h13M1.5 8h13M1.5 12h13",
        // A funnel.
        NodeKind::Dependency => "M2 2.5h12L9.6 8v5.5L6.4 12V8z",
        // A decision.
        NodeKind::Condition => "M8 1.5L14.5 8L8 14.5L1.5 8z",
        // Go.
        NodeKind::Trigger => "M4 2.5L13 8L4 13.5z",
        // A bull's eye.
        NodeKind::Target => "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M6 8a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
    }
}
