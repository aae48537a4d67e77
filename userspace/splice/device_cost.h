/*
 * device_cost.h - whether a body from a device is cheaper to splice than to relay.
 *
 * As `make bench BENCH=splice` measures: by tc, packets stay together as they came and a splice
 * costs a third to two thirds of a relay; by XDP on a veth each is copied into a page of its own,
 * and generic XDP makes each linear, while a relay gets them by the dozen. A NIC with XDP in its
 * driver does neither. Knows what the kernel says of devices, and nothing of sockets.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct device_costs;

struct device_costs *device_costs_create(void); /* NULL: all devices pay */
void device_costs_destroy(struct device_costs *costs);
/* Any thread. What was found is believed for a few seconds. */
bool device_costs_pay(struct device_costs *costs, uint32_t ifindex, uint64_t now_ms);
