#include "userspace/upstream/balance.h"

const struct balance_ops *const balance_kinds[BALANCES] = {
	[BALANCE_ROUND_ROBIN] = &balance_round_robin,
	[BALANCE_MAGLEV] = &balance_maglev,
	[BALANCE_LEAST_REQUEST] = &balance_least_request,
	[BALANCE_RANDOM] = &balance_random_two,
};
