/*
 * tap.h - a device whose other end is this process: frames go in and come out as a virtual machine
 * has them, super-packets with checksums to be made, and what is to be done to them beside.
 *
 * The device is in a network namespace that the process moves to. What a program that hangs at it
 * sends out of it is there to be taken as soon as tap_send() has returned.
 */
#pragma once
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAP_BYTES_MAX = 4096 };

struct tap_frame {
	struct virtio_net_hdr how;
	uint8_t bytes[TAP_BYTES_MAX];
	size_t len;
};

/* Index of the device, 0 where there can be none. Once in a process. */
uint32_t tap_open(void);
void tap_send(const struct tap_frame *frame);
/* False where nothing came out (any more). */
bool tap_take(struct tap_frame *out);

/* A packet of TCP or UDP, checksums complete, becomes one whose checksum is yet to be made. */
void tap_make_partial(struct tap_frame *frame);
/* Does what is yet to be done to it, as a device: the checksum. Not for super-packets. */
void tap_finish(struct tap_frame *frame);
/* The same for one segment of a super-packet, the i-th; false where it has no such. */
bool tap_segment(const struct tap_frame *super, uint32_t i, struct tap_frame *out);
