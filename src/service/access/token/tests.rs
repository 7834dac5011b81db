//! The vectors of the RFCs, and what must not pass.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{claims::Claims, jwk::parse_set, jws::Compact, *};
use crate::model::{Grant, Role};

/// RFC 7515, A.2.
const RS256_KEY: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
    dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
    GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt\
    _O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb\
    1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI\
    8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515, A.3.
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU\
    1Q";
/// RFC 8037, A.4.
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6\
    dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn vector_keys() -> Vec<u8> {
    let keys = json!({"keys": [
        {"kty": "RSA", "kid": "rs", "n": RS256_KEY, "e": "AQAB"},
        {"kty": "EC", "kid": "es", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ]});
    serde_json::to_vec(&keys).unwrap()
}

fn verified(token: &str, kid: &str) -> Result<Vec<u8>, &'static str> {
    let keys = parse_set(&vector_keys()).unwrap();
    let key = keys.iter().find(|key| key.kid.as_deref() == Some(kid)).unwrap();
    Compact::parse(token)?.verified_by(key)
}

fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn the_vectors_of_the_rfcs_are_good() {
    for (token, kid, begins) in
        [(RS256, "rs", "{\"iss\":\"joe\""), (ES256, "es", "{\"iss\":\"joe\""), (EDDSA, "ed", "Example of")]
    {
        let payload = verified(token, kid).expect(kid);
        assert!(payload.starts_with(begins.as_bytes()), "{kid}");
    }
}

#[test]
fn a_token_with_one_character_changed_is_not() {
    for (token, kid) in [(RS256, "rs"), (ES256, "es"), (EDDSA, "ed")] {
        for index in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verified(&changed, kid).is_err(), "{kid} at {index}");
        }
    }
}

#[test]
fn the_algorithm_is_that_of_the_key_whatever_the_header_says() {
    for (token, right) in [(RS256, "rs"), (ES256, "es"), (EDDSA, "ed")] {
        for kid in ["rs", "es", "ed"] {
            assert_eq!(verified(token, kid).is_ok(), kid == right, "{right} with {kid}");
        }
        for alg in ["none", "None", "HS256", "HS512", "RS512", "PS256", "ES384", ""] {
            assert_eq!(
                verified(&with_header(token, &json!({"alg": alg})), right).unwrap_err(),
                "the algorithm is not that of the key"
            );
        }
    }
    let (unsigned, _) = RS256.rsplit_once('.').unwrap();
    assert!(verified(&with_header(&format!("{unsigned}."), &json!({"alg": "none"})), "rs").is_err());
}

#[test]
fn the_public_key_is_no_shared_secret() {
    // RS-to-HS confusion: signed with HMAC under what everybody knows.
    let (_, rest) = RS256.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(json!({"alg": "HS256"}).to_string()));
    for secret in [URL_SAFE_NO_PAD.decode(RS256_KEY).unwrap(), RS256_KEY.as_bytes().to_vec(), vector_keys()] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
        assert!(verified(&format!("{signed}.{tag}"), "rs").is_err());
    }
}

#[test]
fn what_is_no_compact_jws_is_refused() {
    let longer = format!("{EDDSA}.AAAA");
    let padded = format!("{EDDSA}==");
    let long_kid = with_header(EDDSA, &json!({"alg": "EdDSA", "kid": "x".repeat(257)}));
    let critical = with_header(EDDSA, &json!({"alg": "EdDSA", "crit": ["exp"]}));
    let typed = with_header(EDDSA, &json!({"alg": "EdDSA", "typ": "dpop+jwt"}));
    let wrong_types = with_header(EDDSA, &json!({"alg": ["EdDSA"]}));
    let twice = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"alg\":\"EdDSA\"}"),
        EDDSA.split_once('.').unwrap().1
    );
    for token in
        ["", "a", "a.b", "..", "e30.e30.", &longer, &padded, &long_kid, &critical, &typed, &wrong_types, &twice]
    {
        assert!(Compact::parse(token).is_err(), "{token}");
    }
}

#[test]
fn keys_of_other_kinds_and_uses_are_passed_over() {
    let ed = |extra: Value| {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        key.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"keys": [key]}).to_string()
    };
    assert_eq!(
        parse_set(ed(json!({"use": "sig", "alg": "EdDSA", "key_ops": ["verify"]})).as_bytes()).unwrap().len(),
        1
    );
    for extra in [
        json!({"use": "enc"}),
        json!({"alg": "RS256"}),
        json!({"alg": "HS256"}),
        json!({"key_ops": ["sign"]}),
        json!({"crv": "Ed448"}),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"x": "AAAA"}),
        json!({"kid": 7}),
    ] {
        assert!(parse_set(ed(extra.clone()).as_bytes()).is_err(), "{extra}");
    }
    let short = json!({"keys": [{"kty": "RSA", "n": "u1W", "e": "AQAB"}]}).to_string();
    assert!(parse_set(short.as_bytes()).is_err());
    for text in ["", "[]", "{}", "{\"keys\": {}}", "{\"keys\": []}"] {
        assert!(parse_set(text.as_bytes()).is_err(), "{text:?}");
    }
}

fn rules() -> TokenRules {
    let roles = vec![
        ("dev".to_owned(), Grant { role: Role::Operator, restore: false }),
        ("dba".to_owned(), Grant { role: Role::Viewer, restore: true }),
    ];
    TokenRules {
        source: KeySource::File(PathBuf::from("none")),
        issuer: "https://id.example".to_owned(),
        audience: "dbkeeper".to_owned(),
        leeway: Duration::from_secs(30),
        mapping: Mapping {
            account_claim: None,
            account: AccountId::parse("default", "account").unwrap(),
            role_claim: "realm.roles".to_owned(),
            roles,
        },
    }
}

const NOW: i64 = 1_000_000;

fn good() -> Value {
    json!({"iss": "https://id.example", "aud": "dbkeeper", "sub": "ada", "exp": NOW + 600, "iat": NOW,
           "realm": {"roles": ["dev", "other"]}})
}

fn check(claims: &Value) -> Result<Claims, String> {
    let claims = Claims::read(claims.to_string().as_bytes())?;
    claims.check(&rules(), Timestamp::from_micros(NOW * 1_000_000))?;
    Ok(claims)
}

#[test]
fn a_claim_that_is_absent_wrong_or_of_the_wrong_type_refuses_the_token() {
    check(&good()).unwrap();
    for (name, value, says) in [
        ("exp", Value::Null, "exp is not a number"),
        ("exp", json!(NOW.to_string()), "exp is not a number"),
        ("exp", json!([NOW]), "exp is not a number"),
        ("exp", json!(-1), "exp is not a number"),
        ("exp", json!(NOW - 31), "expired"),
        ("nbf", json!(NOW + 31), "nbf"),
        ("nbf", json!("0"), "nbf is not a number"),
        ("iat", json!("0"), "iat is not a number"),
        ("iss", json!("https://id.example/"), "iss is not the issuer"),
        ("iss", json!(["https://id.example"]), "iss is not a text"),
        ("aud", json!("other"), "aud does not hold"),
        ("aud", json!([]), "aud does not hold"),
        ("aud", json!(["dbkeeper", 7]), "aud is a list"),
        ("aud", json!(7), "aud is neither"),
        ("sub", json!(""), "sub must be"),
        ("sub", json!("a\nb"), "sub must be"),
        ("sub", json!("x".repeat(201)), "sub must be"),
        ("sub", json!(7), "sub is not a text"),
    ] {
        let mut claims = good();
        claims[name] = value;
        let fault = check(&claims).expect_err(says);
        assert!(fault.contains(says), "{fault:?} does not say {says:?}");
    }
    for name in ["exp", "iss", "aud", "sub"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(check(&claims).unwrap_err(), format!("it has no {name}"));
    }
    for within in [("exp", NOW - 29), ("nbf", NOW + 30)] {
        let mut claims = good();
        claims[within.0] = json!(within.1);
        check(&claims).expect("the clocks may be apart by the leeway");
    }
}

#[test]
fn claims_become_account_and_role_by_the_configuration() {
    let grant = |claims: &Value| rules().mapping.apply(&check(claims).unwrap()).map(|(_, grant)| grant);
    assert_eq!(grant(&good()).unwrap(), Grant { role: Role::Operator, restore: false });
    let mut both = good();
    both["realm"]["roles"] = json!(["dba", "dev"]);
    assert_eq!(grant(&both).unwrap(), Grant { role: Role::Operator, restore: true });
    for roles in [json!([]), json!("admin"), json!(["Dev"]), json!(7), Value::Null] {
        let mut claims = good();
        claims["realm"]["roles"] = roles;
        assert_eq!(grant(&claims).unwrap_err().reason(), Reason::IdentityUnmapped);
    }

    let by_claim = Mapping { account_claim: Some("https://x.example/account".to_owned()), ..rules().mapping };
    let mut claims = good();
    assert_eq!(by_claim.apply(&check(&claims).unwrap()).unwrap_err().reason(), Reason::IdentityUnmapped);
    for (value, account) in [(json!("tenant"), Some("tenant")), (json!("Not An Id"), None), (json!(["a", "b"]), None)] {
        claims["https://x.example/account"] = value;
        let found = by_claim.apply(&check(&claims).unwrap()).ok().map(|(account, _)| account.to_string());
        assert_eq!(found.as_deref(), account);
    }
}
