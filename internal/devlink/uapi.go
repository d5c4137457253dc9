// SPDX-License-Identifier: Apache-2.0

package devlink

import "fmt"

// Commands and attributes: enum devlink_command and enum devlink_attr of
// include/uapi/linux/devlink.h.
const (
	cmdPortGet    = 5
	cmdPortSet    = 6
	cmdEswitchGet = 29
	cmdEswitchSet = 30
	cmdReload     = 37
	cmdParamGet   = 38
	cmdParamSet   = 39
	cmdInfoGet    = 51

	attrBusName               = 1
	attrDevName               = 2
	attrPortIndex             = 3
	attrPortNetdevIfindex     = 6
	attrPortNetdevName        = 7
	attrEswitchMode           = 25
	attrEswitchInlineMode     = 26
	attrEswitchEncapMode      = 62
	attrPortFlavour           = 77
	attrPortNumber            = 78
	attrParam                 = 80
	attrParamName             = 81
	attrParamGeneric          = 82
	attrParamType             = 83
	attrParamValuesList       = 84
	attrParamValue            = 85
	attrParamValueData        = 86
	attrParamValueCmode       = 87
	attrInfoDriverName        = 98
	attrInfoSerialNumber      = 99
	attrInfoVersionFixed      = 100
	attrInfoVersionRunning    = 101
	attrInfoVersionStored     = 102
	attrInfoVersionName       = 103
	attrInfoVersionValue      = 104
	attrPortPFNumber          = 127
	attrPortVFNumber          = 128
	attrPortFunction          = 145
	attrInfoBoardSerial       = 146
	attrPortExternal          = 149
	attrPortControllerNum     = 150
	attrReloadAction          = 153
	attrPortSFNumber          = 164
	attrParamValueDefault     = 182
	paramTypeU8, paramTypeU16 = 1, 2 // NLA_U8.. of the kernel's param types (net/devlink/param.c, enum devlink_param_type to MNL_TYPE_*)
	paramTypeU32              = 3
	paramTypeU64              = 4
	paramTypeString           = 5
	paramTypeFlag             = 6
)

// Flavour is what a port is: enum devlink_port_flavour.
type Flavour uint16

// The flavours that are told apart here.
const (
	FlavourPhysical Flavour = 0 // an uplink
	FlavourPCIPF    Flavour = 3 // the eswitch's port to a PF of another host
	FlavourPCIVF    Flavour = 4 // the eswitch's port to a VF; its netdev is the representor
	FlavourVirtual  Flavour = 5 // a VF's own port, on the VF's devlink device
	FlavourUnused   Flavour = 6
	FlavourPCISF    Flavour = 7
	FlavourUnset    Flavour = 0xffff // the driver has not said
)

// String is the flavour as the devlink tool prints it.
func (f Flavour) String() string {
	names := map[Flavour]string{
		FlavourPhysical: "physical", 1: "cpu", 2: "dsa", FlavourPCIPF: "pcipf",
		FlavourPCIVF: "pcivf", FlavourVirtual: "virtual", FlavourUnused: "unused", FlavourPCISF: "pcisf",
	}
	if n, ok := names[f]; ok {
		return n
	}
	return fmt.Sprintf("flavour(%d)", uint16(f))
}
