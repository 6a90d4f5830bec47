package ikev2

import (
	"fmt"

	"causeway/ike/wire"
)

// occurrence says how often a payload may appear in a message.
type occurrence struct {
	payload  wire.PayloadType
	min, max int
}

// kind is one kind of message: an exchange and a direction.
type kind struct {
	exchange wire.ExchangeType
	response bool
}

// maxNotifies bounds the Notify payloads that one message may have.
const maxNotifies = 30

// maxCertificates and maxRequests bound CERT and CERTREQ payloads.
const maxCertificates, maxRequests = 16, 20

// rules says which payloads a message needs and how many of each it may have
// (RFC 7296 §1.2 to §1.4, appendix C; RFC 9370 §2.2; RFC 5723 §4.3). Payloads that a rule does not name are
// ignored. The needs of a response do not hold for one that reports an error. SA,
// TSi and TSr of an IKE_AUTH request come together or not at all (checkChild).
var rules = map[kind][]occurrence{
	{wire.ExchangeIKESAInit, false}: {
		{wire.PayloadSA, 1, 1}, {wire.PayloadKE, 1, 1}, {wire.PayloadNonce, 1, 1}, {wire.PayloadNotify, 0, maxNotifies},
	},
	{wire.ExchangeIKESAInit, true}: {
		{wire.PayloadSA, 1, 1}, {wire.PayloadKE, 1, 1}, {wire.PayloadNonce, 1, 1}, {wire.PayloadNotify, 0, maxNotifies},
		{wire.PayloadCERTREQ, 0, maxRequests},
	},
	{wire.ExchangeIKESessionResume, false}: {{wire.PayloadNonce, 1, 1}, {wire.PayloadNotify, 1, maxNotifies}},
	{wire.ExchangeIKESessionResume, true}:  {{wire.PayloadNonce, 1, 1}, {wire.PayloadNotify, 0, maxNotifies}},
	{wire.ExchangeIKEIntermediate, false}:  {{wire.PayloadKE, 1, 1}, {wire.PayloadNotify, 0, maxNotifies}},
	{wire.ExchangeIKEIntermediate, true}:   {{wire.PayloadKE, 1, 1}, {wire.PayloadNotify, 0, maxNotifies}},
	{wire.ExchangeIKEFollowupKE, false}:    {{wire.PayloadKE, 1, 1}, {wire.PayloadNotify, 1, maxNotifies}},
	{wire.ExchangeIKEFollowupKE, true}:     {{wire.PayloadKE, 1, 1}, {wire.PayloadNotify, 0, maxNotifies}},
	{wire.ExchangeIKEAuth, false}: {
		{wire.PayloadIDi, 1, 1}, {wire.PayloadIDr, 0, 1}, {wire.PayloadAUTH, 0, 1}, {wire.PayloadSA, 0, 1},
		{wire.PayloadTSi, 0, 1}, {wire.PayloadTSr, 0, 1}, {wire.PayloadNotify, 0, maxNotifies},
		{wire.PayloadCERT, 0, maxCertificates}, {wire.PayloadCERTREQ, 0, maxRequests},
	},
	{wire.ExchangeIKEAuth, true}: {
		{wire.PayloadIDr, 1, 1}, {wire.PayloadAUTH, 1, 1}, {wire.PayloadSA, 0, 1},
		{wire.PayloadTSi, 0, 1}, {wire.PayloadTSr, 0, 1}, {wire.PayloadNotify, 0, maxNotifies},
		{wire.PayloadCERT, 0, maxCertificates},
	},
	{wire.ExchangeCreateChildSA, false}: {
		{wire.PayloadSA, 1, 1}, {wire.PayloadNonce, 1, 1}, {wire.PayloadKE, 0, 1},
		{wire.PayloadTSi, 0, 1}, {wire.PayloadTSr, 0, 1}, {wire.PayloadNotify, 0, maxNotifies},
	},
	{wire.ExchangeCreateChildSA, true}: {
		{wire.PayloadSA, 1, 1}, {wire.PayloadNonce, 1, 1}, {wire.PayloadKE, 0, 1},
		{wire.PayloadTSi, 0, 1}, {wire.PayloadTSr, 0, 1}, {wire.PayloadNotify, 0, maxNotifies},
	},
	{wire.ExchangeInformational, false}: {{wire.PayloadNotify, 0, maxNotifies}, {wire.PayloadDelete, 0, maxNotifies}},
	{wire.ExchangeInformational, true}:  {{wire.PayloadNotify, 0, maxNotifies}, {wire.PayloadDelete, 0, maxNotifies}},
}

// misplaced is an exchange that may not be begun now, or at all.
func misplaced(ex wire.ExchangeType) error {
	return &syntaxError{fmt.Sprintf("exchange type %v has no place here", ex)}
}

// checkPayloads holds a message against the rules.
func checkPayloads(msg *message) error {
	rule, ok := rules[kind{msg.Exchange, msg.isResponse()}]
	if !ok {
		return misplaced(msg.Exchange)
	}
	if t, unknown := wire.UnknownCritical(msg.Payloads); unknown {
		return &criticalError{t}
	}
	relaxed := msg.isResponse() && msg.errorNotify() != nil
	for _, o := range rule {
		n := 0
		for _, p := range msg.Payloads {
			if p.Type() == o.payload {
				n++
			}
		}
		switch {
		case n > o.max:
			return &syntaxError{fmt.Sprintf("%v has %d %v payloads, at most %d are allowed", msg.Exchange, n, o.payload, o.max)}
		case n < o.min && !relaxed:
			return &syntaxError{fmt.Sprintf("%v without the %v payload", msg.Exchange, o.payload)}
		}
	}
	return nil
}
