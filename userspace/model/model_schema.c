#include "userspace/model/model_schema.h"

#include "userspace/model/model_parts.h"

const struct schema_section model_schema[] = {
	{ "file", top_keys },
	{ "node", node_keys },
	{ "log", log_keys },
	{ "guard", guard_keys },
	{ "vip", vip_keys },
	{ "listener", listener_keys },
	{ "quic", quic_keys },
	{ "forwarded", forwarded_keys },
	{ "requests", requests_keys },
	{ "request id", request_id_keys },
	{ "timeouts", timeout_keys },
	{ "rates", rate_keys },
	{ "route", route_keys },
	{ "match", match_keys },
	{ "redirect", redirect_keys },
	{ "respond", respond_keys },
	{ "upstream", upstream_keys },
	{ "endpoint", endpoint_keys },
	{ "health", health_keys },
	{ "health udp", health_udp_keys },
	{ "health expect", health_expect_keys },
	{ "vpc", vpc_keys },
	{ "certificate", certificate_keys },
	{ "listener tls", listener_tls_keys },
	{ "upstream tls", upstream_tls_keys },
	{ "test", test_keys },
	{ 0 },
};
