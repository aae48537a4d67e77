/*
 * pins.h - names of pinned maps, programs and links, below one directory of a bpffs.
 */
#pragma once

#define PIN_DIR_DEFAULT "/sys/fs/bpf/shunt"

#define PIN_VIPS          "shunt_vips"
#define PIN_ADDRS         "shunt_addrs"
#define PIN_ENDPOINTS     "shunt_endpoints"
#define PIN_RING_LINES    "shunt_ring_lines"
#define PIN_NEXT_HOPS     "shunt_next_hops"
#define PIN_VTEPS         "shunt_vteps"
#define PIN_SETTINGS      "shunt_settings"
#define PIN_COUNTERS      "shunt_counters"
#define PIN_FLOWS         "shunt_flows"
#define PIN_SPLICES       "shunt_splices"
#define PIN_LISTENERS     "shunt_listeners"
#define PIN_EVENTS        "shunt_events"
#define PIN_GUARDS        "shunt_guards"
#define PIN_GUARD_NETS    "shunt_guard_nets"
#define PIN_GUARD_SOURCES "shunt_guard_sources"
#define PIN_QUIC          "shunt_quic"

/* Watching: sample.h. */
#define PIN_VIP_TALLIES      "shunt_vip_tallies"
#define PIN_ENDPOINT_TALLIES "shunt_endpoint_tallies"
#define PIN_WATCH            "shunt_watch"
#define PIN_SAMPLES          "shunt_samples"
#define PIN_EXPLAINED        "shunt_explained"

/* Links: XDP per device by index, e.g. "link_xdp_7"; sk_lookup and cgroup one each. */
#define PIN_LINK_XDP       "link_xdp_"
#define PIN_PROG_TC        "prog_tc_" /* the program itself, where tc has it and not XDP */
#define PIN_LINK_SK_LOOKUP "link_sk_lookup"
#define PIN_LINK_SK_QUERY  "link_sk_query"
