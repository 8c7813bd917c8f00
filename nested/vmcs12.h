/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMCS that a guest hypervisor (L1) keeps for its guest (L2), in KVM's
 * binary layout.  L1 reaches its fields by VMREAD and VMWRITE alone; the whole
 * of it goes to and from userspace with KVM_GET/SET_NESTED_STATE.
 *
 * Pure: encodings and bytes, no VMX.
 */
#ifndef VELLUM_NESTED_VMCS12_H
#define VELLUM_NESTED_VMCS12_H

#include "types.h"
#include "vmcs_fields.h"

#define VMCS12_REVISION 0x11e57ed0u
/* What IA32_VMX_BASIC tells L1 to allocate, and what nested state carries. */
#define VMCS12_SIZE 4096

/* Bit 31 of a VMCS's first word: a shadow VMCS (SDM 3C 25.10). */
#define VMCS12_SHADOW BIT(31)

#define VMCS12_LAUNCHED 1u /* launch_state; 0: clear */

/* Every field is where its type wants it, so nothing here is packed. */
struct vmcs12 {
	u32 revision; /* VMCS12_REVISION, and VMCS12_SHADOW */
	u32 abort;
	u32 launch_state;
	u32 gap12[7];
#define VMCS12_FIELD(offset, type, name, encoding) type name;
#define VMCS12_GAP(offset, bytes)		   u8 gap##offset[bytes];
#include "nested/vmcs12_fields.h"
};

/* Bits of a field's encoding (SDM 3D B): the upper half of a 64-bit field, index, type, width. */
#define VMCS_HIGH     BIT(0)
#define VMCS_INDEX(e) ((e) >> 1 & 0x1ff)
#define VMCS_TYPE(e)  ((e) >> 10 & 3)
#define VMCS_WIDTH(e) ((e) >> 13 & 3)
enum vmcs_type { VMCS_CONTROL, VMCS_EXIT_INFO, VMCS_GUEST, VMCS_HOST };
enum vmcs_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };

/* Bytes, at an offset into struct vmcs12; bytes 0: there is no such field. */
struct vmcs12_place {
	u16 offset;
	u8 bytes;
};

/* One field of a table that goes by offsets, its bytes being known. */
struct vmcs12_offset {
	u16 field; /* its encoding */
	u16 offset;
};

#define VMCS12_OFFSET(encoding, name) \
	{ \
		encoding, offsetof(struct vmcs12, name) \
	}

/*
 * Where the field with this encoding is, or its upper half.  Any 64-bit value
 * may be asked for: the operand of VMREAD and VMWRITE is L1's.
 */
struct vmcs12_place vmcs12_find(u64 encoding);

/* Exit information: VMWRITE may set it only where IA32_VMX_MISC[29] says so. */
static inline bool vmcs12_is_read_only(u64 encoding)
{
	return VMCS_TYPE(encoding) == VMCS_EXIT_INFO;
}

/* The field's value, zero-extended.  False, with *value as it was: no such field. */
bool vmcs12_read(const struct vmcs12 *v, u64 encoding, u64 *value);

/*
 * Sets the field to the low bits of @value that it has; a _HIGH encoding sets
 * bits 63:32 alone.  False: no such field.  Whether it is read-only is the
 * caller's question.
 */
bool vmcs12_write(struct vmcs12 *v, u64 encoding, u64 value);

/* The highest index of any field, for IA32_VMX_VMCS_ENUM (SDM 3D A.9). */
unsigned int vmcs12_highest_index(void);

#endif
