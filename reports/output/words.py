"""The words that are printed around a report, in the languages of reports."""

from __future__ import annotations

RIGHT_TO_LEFT = ("ar", "fa", "he", "ur", "ps", "sd", "ug", "yi")

_KEYS = (
    "patient", "born", "sex", "id", "examination", "date", "accession", "referrer", "report",
    "preliminary", "addendum", "withdrawn", "draft", "signed", "cosigned", "image", "measurements",
    "verify", "page", "added", "M", "F", "O", "withdrawn_why", "preliminary_why", "draft_why",
    "final", "no_picture", "other_facts", "empty", "checksum",
)  # fmt: skip

WORDS: dict[str, dict[str, str]] = {
    language: dict(zip(_KEYS, words, strict=True))
    for language, words in {
        "en": (
            "Patient", "Born", "Sex", "Patient ID", "Examination", "Date", "Accession number",
            "Referred by", "Report", "Preliminary report", "Addendum", "Withdrawn", "Draft",
            "Signed electronically by", "Countersigned by", "Image", "Measurements",
            "Check this report", "Page", "Addenda follow the report",
            "male", "female", "other",
            "This report was withdrawn. Do not use it.",
            "This report is preliminary. The final report may differ.",
            "This is a draft. Nobody has signed it.",
            "Final report",
            "This key image cannot be shown. It is in the archive of images.",
            "Signed for", "No text.", "SHA-256 of the content",
        ),
        "de": (
            "Patient", "Geboren", "Geschlecht", "Patienten-ID", "Untersuchung", "Datum",
            "Auftragsnummer", "Zuweiser", "Befund", "Vorläufiger Befund", "Nachtrag",
            "Zurückgezogen", "Entwurf", "Elektronisch signiert von", "Gegengezeichnet von", "Bild",
            "Messungen", "Befund prüfen", "Seite", "Nachträge folgen dem Befund",
            "männlich", "weiblich", "divers",
            "Dieser Befund wurde zurückgezogen. Nicht verwenden.",
            "Dieser Befund ist vorläufig. Der endgültige Befund kann abweichen.",
            "Dies ist ein Entwurf. Niemand hat ihn signiert.",
            "Endgültiger Befund",
            "Dieses Bild kann nicht gezeigt werden. Es liegt im Bildarchiv.",
            "Signiert für", "Kein Text.", "SHA-256 des Inhalts",
        ),
        "fr": (
            "Patient", "Né(e) le", "Sexe", "Identifiant", "Examen", "Date", "Numéro d'accès",
            "Prescripteur", "Compte rendu", "Compte rendu provisoire", "Addendum", "Retiré",
            "Brouillon", "Signé électroniquement par", "Contresigné par", "Image", "Mesures",
            "Vérifier ce compte rendu", "Page", "Des addenda suivent le compte rendu",
            "masculin", "féminin", "autre",
            "Ce compte rendu a été retiré. Ne pas l'utiliser.",
            "Ce compte rendu est provisoire. Le compte rendu définitif peut différer.",
            "Ceci est un brouillon. Personne ne l'a signé.",
            "Compte rendu définitif",
            "Cette image ne peut pas être montrée. Elle se trouve dans l'archive d'images.",
            "Signé pour", "Pas de texte.", "SHA-256 du contenu",
        ),
        "es": (
            "Paciente", "Nacimiento", "Sexo", "Número de paciente", "Exploración", "Fecha",
            "Número de acceso", "Solicitante", "Informe", "Informe preliminar", "Adenda",
            "Retirado", "Borrador", "Firmado electrónicamente por", "Refrendado por", "Imagen",
            "Mediciones", "Comprobar este informe", "Página", "Siguen adendas al informe",
            "masculino", "femenino", "otro",
            "Este informe fue retirado. No lo utilice.",
            "Este informe es preliminar. El informe definitivo puede diferir.",
            "Esto es un borrador. Nadie lo ha firmado.",
            "Informe definitivo",
            "Esta imagen no se puede mostrar. Está en el archivo de imágenes.",
            "Firmado para", "Sin texto.", "SHA-256 del contenido",
        ),
        "ar": (
            "المريض", "تاريخ الميلاد", "الجنس", "رقم المريض", "الفحص", "التاريخ", "رقم الطلب",
            "الطبيب المحيل", "تقرير", "تقرير أولي", "ملحق", "مسحوب", "مسودة",
            "وقّعه إلكترونيًا", "صادق عليه", "صورة", "القياسات", "تحقق من هذا التقرير", "صفحة",
            "الملاحق بعد التقرير", "ذكر", "أنثى", "آخر",
            "تم سحب هذا التقرير. لا تستخدمه.",
            "هذا التقرير أولي. قد يختلف التقرير النهائي عنه.",
            "هذه مسودة لم يوقعها أحد.",
            "تقرير نهائي",
            "لا يمكن عرض هذه الصورة. وهي محفوظة في أرشيف الصور.",
            "وُقّع باسم", "لا يوجد نص.", "SHA-256 للمحتوى",
        ),
        "ja": (
            "患者", "生年月日", "性別", "患者ID", "検査", "日付", "受付番号", "依頼医",
            "読影報告書", "暫定報告", "追記", "取消", "下書き", "電子署名", "承認署名",
            "画像", "計測",
            "報告書の確認", "ページ", "報告の後に追記があります", "男性", "女性", "その他",
            "この報告書は取り消されました。使用しないでください。",
            "この報告書は暫定です。最終報告と異なる場合があります。",
            "これは下書きです。署名されていません。",
            "最終報告",
            "この画像は表示できません。画像アーカイブにあります。",
            "署名時の患者", "本文なし。", "内容のSHA-256",
        ),
    }.items()
}  # fmt: skip


def words_for(*languages: str) -> tuple[str, dict[str, str]]:
    """The language (BCP 47, its primary subtag) of the first that has words, and the words."""
    for language in languages:
        primary = language.replace("_", "-").split("-")[0].lower()
        if primary in WORDS:
            return primary, WORDS[primary]
    return "en", WORDS["en"]


def is_right_to_left(language: str) -> bool:
    """Whether a language (BCP 47) is written from right to left."""
    return language.replace("_", "-").split("-")[0].lower() in RIGHT_TO_LEFT
