// SPDX-License-Identifier: GPL-2.0
/*
 * From a field's encoding to its bytes in struct vmcs12, for VMREAD and VMWRITE.
 */
#include "nested/vmcs12.h"

#define VMCS12_FIELD(at, type, name, encoding) \
	static_assert(offsetof(struct vmcs12, name) == (at)); \
	static_assert(sizeof(type) == (VMCS_WIDTH(encoding) == VMCS_16 ? 2 : \
				       VMCS_WIDTH(encoding) == VMCS_32 ? 4 : \
									 8));
#define VMCS12_GAP(at, bytes) static_assert(offsetof(struct vmcs12, gap##at) == (at));
#include "nested/vmcs12_fields.h"
static_assert(sizeof(struct vmcs12) == 1000);

/* No field of ours has a larger index; width, type and index make a row's number. */
#define INDICES	    32
#define SLOT(e)	    ((VMCS_WIDTH(e) * 4 + VMCS_TYPE(e)) * INDICES + VMCS_INDEX(e))
#define SLOTS	    (16 * INDICES)
#define RESERVED(e) ((e) & ~0x6fffull) /* bits 12 and 63:15 */

#define VMCS12_FIELD(at, type, name, encoding) \
	static_assert(VMCS_INDEX(encoding) < INDICES && !RESERVED(encoding) && !((encoding) % 2));
#define VMCS12_GAP(at, bytes)
#include "nested/vmcs12_fields.h"

/* 0: no field, since the header is there. */
static const u16 offset_of[SLOTS] = {
#define VMCS12_FIELD(at, type, name, encoding) [SLOT(encoding)] = (at),
#define VMCS12_GAP(at, bytes)
#include "nested/vmcs12_fields.h"
};

static u8 width_bytes(u64 encoding)
{
	static const u8 bytes[] = {
		[VMCS_16] = 2,
		[VMCS_64] = 8,
		[VMCS_32] = 4,
		[VMCS_NATURAL] = 8,
	};

	return bytes[VMCS_WIDTH(encoding)];
}

struct vmcs12_place vmcs12_find(u64 encoding)
{
	const struct vmcs12_place none = {};
	bool high = encoding & VMCS_HIGH;
	u16 offset;

	if (RESERVED(encoding) || VMCS_INDEX(encoding) >= INDICES)
		return none;
	if (high && VMCS_WIDTH(encoding) != VMCS_64)
		return none;
	offset = offset_of[SLOT(encoding)];
	if (!offset)
		return none;
	if (high)
		return (struct vmcs12_place){ .offset = offset + 4, .bytes = 4 };
	return (struct vmcs12_place){ .offset = offset, .bytes = width_bytes(encoding) };
}

bool vmcs12_read(const struct vmcs12 *v, u64 encoding, u64 *value)
{
	struct vmcs12_place place = vmcs12_find(encoding);
	u64 found = 0;

	if (!place.bytes)
		return false;
	memcpy(&found, (const u8 *)v + place.offset, place.bytes);
	*value = found;
	return true;
}

bool vmcs12_write(struct vmcs12 *v, u64 encoding, u64 value)
{
	struct vmcs12_place place = vmcs12_find(encoding);

	if (!place.bytes)
		return false;
	memcpy((u8 *)v + place.offset, &value, place.bytes);
	return true;
}

unsigned int vmcs12_highest_index(void)
{
	unsigned int slot, highest = 0;

	for (slot = 0; slot < SLOTS; slot++)
		if (offset_of[slot])
			highest = max(highest, slot % INDICES);
	return highest;
}
